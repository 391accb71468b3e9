"""Writes an archive: the dump goes straight into the zip, what describes it comes last; called in a child process."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path
from typing import IO

import msgspec

from stocky.backup.archive_reading import DATABASE, FORMAT, METADATA, SETTINGS, Member, Metadata
from stocky.backup.dump import dump_into, privately
from stocky.backup.requests import ArchiveRequest, DumpResult
from stocky.backup.writing import Report


def write_archive(request: ArchiveRequest, report: Report) -> DumpResult:
    """Makes the archive at `request.output`; the size and SHA-256 of the result are the archive's."""
    assert request.output is not None
    path = Path(request.output)
    with open(path, "wb", opener=privately) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        # The dump is packed already; its size is known only afterwards and may be more than 4 GiB.
        with archive.open(DATABASE, "w", force_zip64=True) as member:
            dumped = dump_into(member, request.database_url, Path(request.scratch), report)
        settings = msgspec.json.format(msgspec.json.encode(request.settings))
        archive.writestr(SETTINGS, settings)
        metadata = Metadata(
            timestamp=dumped.header.taken_at,
            format=FORMAT,
            app_version=dumped.header.stocky,
            schema_version=dumped.header.schema,
            dialect=dumped.header.dialect,
            database_size_bytes=dumped.bytes,
            rows=dumped.header.rows,
            documents_count=0,
            documents_size_bytes=0,
            settings_count=len(request.settings),
            members={
                DATABASE: Member(dumped.bytes, dumped.sha256),
                SETTINGS: Member(len(settings), hashlib.sha256(settings).hexdigest()),
            },
        )
        archive.writestr(METADATA, msgspec.json.format(msgspec.json.encode(metadata)))
    with path.open("rb") as written:
        os.fsync(written.fileno())
        return msgspec.structs.replace(dumped, bytes=path.stat().st_size, sha256=_sha256(written))


def _sha256(file: IO[bytes]) -> str:
    hashed = hashlib.sha256()
    while chunk := file.read(2**20):
        hashed.update(chunk)
    return hashed.hexdigest()

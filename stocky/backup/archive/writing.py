"""Writes an archive: dump and documents straight into the zip, the metadata last. Runs in a child process."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import msgspec

from stocky.backup.archive.reading import (
    DATABASE,
    DOCUMENTS,
    FORMAT,
    MAX_DOCUMENTS,
    METADATA,
    SETTINGS,
    Member,
    Metadata,
    content_warnings,
)
from stocky.backup.dump.making import dump_into, open_owner_only
from stocky.backup.encryption.writing import encrypting, size_and_sha256
from stocky.backup.requests import ArchiveRequest, DumpResult
from stocky.documents.blobs import Blobs
from stocky.errors import Conflict
from stocky.progress import ProgressCallback


def write_archive(request: ArchiveRequest, report: ProgressCallback) -> DumpResult:
    """Writes the archive to `request.output`; the size and SHA-256 of the result are the archive's.

    Raises Conflict when there are more documents than an archive can hold.
    """
    assert request.output is not None
    path = Path(request.output)
    with (
        open(path, "wb", opener=open_owner_only) as file,
        encrypting(file, request.encryption) as target,
        zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive,
    ):
        # The dump is already compressed; its size is unknown in advance and may exceed 4 GiB.
        with archive.open(DATABASE, "w", force_zip64=True) as member:
            dumped, contents = dump_into(member, request, report)
        refuse_too_many(len(contents))
        settings = msgspec.json.format(msgspec.json.encode(request.settings))
        archive.writestr(SETTINGS, settings)
        documents = _write_documents(archive, Blobs(request.blobs), contents, report)
        metadata = Metadata(
            timestamp=dumped.header.taken_at,
            format=FORMAT,
            app_version=dumped.header.stocky,
            schema_version=dumped.header.schema,
            dialect=dumped.header.dialect,
            database_size_bytes=dumped.bytes,
            rows=dumped.header.rows,
            documents_count=len(documents),
            documents_size_bytes=sum(each.size_bytes for each in documents.values()),
            settings_count=len(request.settings),
            members={
                DATABASE: Member(dumped.bytes, dumped.sha256),
                SETTINGS: Member(len(settings), hashlib.sha256(settings).hexdigest()),
                **documents,
            },
        )
        damaged = sum(name != f"{DOCUMENTS}{each.sha256}" for name, each in documents.items())
        archive.writestr(METADATA, msgspec.json.format(msgspec.json.encode(metadata)))
    with path.open("rb") as written:
        os.fsync(written.fileno())
    size, sha256 = size_and_sha256(path)
    return msgspec.structs.replace(
        dumped,
        bytes=size,
        sha256=sha256,
        documents_count=len(documents),
        warnings=dumped.warnings + content_warnings(damaged, len(contents) - len(documents)),
    )


def refuse_too_many(contents: int) -> None:
    """Raises Conflict for more document contents than a restore accepts in an archive."""
    if contents > MAX_DOCUMENTS:
        raise Conflict(
            f"An archive holds up to {MAX_DOCUMENTS:,} document files, and there are {contents:,}. Back up only the"
            " database (kind sql), and the directory or bucket of the document store separately"
        )


def _write_documents(
    archive: zipfile.ZipFile, blobs: Blobs, contents: list[tuple[str, int]], report: ProgressCallback
) -> dict[str, Member]:
    """Writes `contents` from the store in order; the caller warns about missing ones.

    The result has the actual SHA-256 of a damaged content, which differs from its name.
    """
    members: dict[str, Member] = {}
    total, done = sum(size for _, size in contents), 0
    for sha256, size in contents:
        report("adding documents", done, total, "bytes")
        if (pieces := blobs.read_now(sha256)) is not None:
            hashed, written = hashlib.sha256(), 0
            # Without a timestamp, so the same documents are the same bytes in every archive.
            with archive.open(zipfile.ZipInfo(f"{DOCUMENTS}{sha256}"), "w", force_zip64=True) as member:
                for piece in pieces:
                    member.write(piece)
                    hashed.update(piece)
                    written += len(piece)
            members[f"{DOCUMENTS}{sha256}"] = Member(written, hashed.hexdigest())
        done += size
    return members

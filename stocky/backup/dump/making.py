"""Dumps a database of either dialect to a file or standard output; runs in a child process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from stocky.backup.dump.writing import Output, Writer
from stocky.backup.encryption.writing import encrypting, size_and_sha256
from stocky.backup.requests import DumpRequest, DumpResult
from stocky.progress import ProgressCallback


def dump(request: DumpRequest, report: ProgressCallback) -> DumpResult:
    """Handles a DumpRequest. Raises OutOfSpace or Unavailable."""
    if request.output is None:
        with encrypting(sys.stdout.buffer, request.encryption) as target:
            result, _ = dump_into(target, request, report)
        sys.stdout.buffer.flush()
        return result
    with open(request.output, "wb", opener=open_owner_only) as file:
        with encrypting(file, request.encryption) as target:
            result, _ = dump_into(target, request, report)
        file.flush()
        os.fsync(file.fileno())
    if request.encryption is None:
        return result
    size, sha256 = size_and_sha256(Path(request.output))
    return msgspec.structs.replace(result, bytes=size, sha256=sha256)


def dump_into(
    target: Output, request: DumpRequest, report: ProgressCallback
) -> tuple[DumpResult, list[tuple[str, int]]]:
    """Writes a compressed snapshot of the database to `target`.

    The second result is the SHA-256 and size of each document content in the snapshot.
    """
    database_url, is_marked, continued = request.database_url, request.is_marked, request.continued
    with Writer(target, report) as writer:
        if database_url.startswith("sqlite:"):
            from stocky.backup.dump.sqlite import write_sqlite

            path = Path(database_url.removeprefix("sqlite:///"))
            write_sqlite(writer, path, Path(request.scratch), is_marked=is_marked, continued=continued)
        else:
            from stocky.backup.dump.postgres import write_postgres

            write_postgres(writer, database_url, is_marked=is_marked, continued=continued)
        return writer.finish(), writer.contents


def open_owner_only(path: str, flags: int) -> int:
    """Opens a file readable by its owner only: a backup contains password hashes."""
    return os.open(path, flags, 0o600)

"""Dumps a database of either dialect to a file or standard output; runs in a child process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stocky.backup.dump.writing import Output, Writer
from stocky.backup.requests import DumpRequest, DumpResult
from stocky.progress import ProgressCallback


def dump(request: DumpRequest, report: ProgressCallback) -> DumpResult:
    """Handles a DumpRequest. Raises OutOfSpace or Unavailable."""
    if request.output is None:
        result, _ = dump_into(sys.stdout.buffer, request, report)
        sys.stdout.buffer.flush()
        return result
    with open(request.output, "wb", opener=open_owner_only) as file:
        result, _ = dump_into(file, request, report)
        file.flush()
        os.fsync(file.fileno())
    return result


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

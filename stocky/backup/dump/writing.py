"""Writes a compressed dump: header, statements, rows, and a footer with a digest per table.

One thread hashes, compresses and writes all text, in order, while the next rows are read.
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, Self

from isal import isal_zlib

from stocky import __version__, clock
from stocky.backup.dump.format import (
    FORMAT,
    INCREMENT_FORMAT,
    Dialect,
    Footer,
    Header,
    Increment,
    TableDigest,
    write_footer,
    write_header,
)
from stocky.backup.dump.ledger import LedgerMark
from stocky.backup.dump.tables import is_data
from stocky.backup.requests import DumpResult
from stocky.progress import ProgressCallback

# Of isal's four levels: as small as gzip's level 6 in a tenth of the time.
LEVEL = 2
# The contents of a snapshot's documents, on both dialects.
CONTENTS = """
SELECT sha256, max(size_bytes) FROM document WHERE sha256 IS NOT NULL GROUP BY sha256 ORDER BY sha256
"""

# Chunks of rows in memory that wait for the thread. More would not help: it is faster than the reading.
_WAITING = 2
# zlib's window bits for gzip format with a 32 KiB window.
_GZIP = 31


class Output(Protocol):
    """A target for bytes: a file, a pipe or an archive member."""

    def write(self, data: bytes, /) -> object: ...


class Writer:
    """Writes one dump in its context. Call `begin` first and `finish` last.

    Any method raises the OSError of an earlier write. After the context nothing is written.
    """

    def __init__(self, target: Output, report: ProgressCallback) -> None:
        self._target = target
        self._report = report
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._compressor = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, _GZIP)
        self._bytes = 0
        self._sha256 = hashlib.sha256()
        self._text_sha256 = hashlib.sha256()
        self._header: Header | None = None
        self._hashes: dict[str, hashlib._Hash] = {}
        self._rows: dict[str, int] = {}
        self._taken_at = clock.now()
        # The SHA-256 and size of each document content in this snapshot.
        self.contents: list[tuple[str, int]] = []
        # Where the ledger ends, if an increment can continue this dump.
        self.mark: LedgerMark | None = None
        # Warnings about objects that the dump lacks.
        self.warnings: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def begin(self, dialect: Dialect, schema: int, rows: dict[str, int], increment: Increment | None = None) -> None:
        """Writes the header of a snapshot: its schema number and the row count of every table in this dump."""
        data = {table: count for table, count in sorted(rows.items()) if is_data(table)}
        self._header = Header(
            stocky=__version__,
            schema=schema,
            dialect=dialect,
            taken_at=self._taken_at,
            rows=data,
            format=FORMAT if increment is None else INCREMENT_FORMAT,
            increment=increment,
        )
        self._hashes = {table: hashlib.sha256() for table in data}
        self._rows = dict.fromkeys(data, 0)
        self._report_progress()
        self.write(write_header(self._header))

    def write(self, text: str) -> None:
        """Writes statements or comments, with their line ends."""
        self._submit(text.encode())

    def write_rows(self, table: str, lines: bytes, count: int) -> None:
        """Writes `count` INSERT lines of one table, each with its line end."""
        self._submit(lines, self._hashes.get(table))
        if table in self._hashes:
            self._rows[table] += count
            self._report_progress()

    def finish(self) -> DumpResult:
        """Writes the footer and completes the file."""
        assert self._header is not None
        self._wait_until(0)
        tables = {table: TableDigest(self._rows[table], hashed.hexdigest()) for table, hashed in self._hashes.items()}
        footer = Footer(sum(self._rows.values()), tables, self._text_sha256.hexdigest())
        self._put_text(write_footer(footer).encode())
        self._put(self._compressor.flush())
        return DumpResult(
            header=self._header,
            footer=footer,
            bytes=self._bytes,
            sha256=self._sha256.hexdigest(),
            mark=self.mark,
            warnings=self.warnings,
        )

    def _submit(self, text: bytes, table_sha256: hashlib._Hash | None = None) -> None:
        self._wait_until(_WAITING)
        self._waiting.append(self._thread.submit(self._put_text, text, table_sha256))

    def _wait_until(self, waiting: int) -> None:
        """Waits until at most that many chunks are waiting."""
        while len(self._waiting) > waiting:
            self._waiting.popleft().result()

    def _put_text(self, text: bytes, table_sha256: hashlib._Hash | None = None) -> None:
        self._text_sha256.update(text)
        if table_sha256 is not None:
            table_sha256.update(text)
        self._put(self._compressor.compress(text))

    def _put(self, compressed: bytes) -> None:
        self._target.write(compressed)
        self._bytes += len(compressed)
        self._sha256.update(compressed)

    def _report_progress(self) -> None:
        assert self._header is not None
        self._report("dumping", sum(self._rows.values()), sum(self._header.rows.values()), "rows")

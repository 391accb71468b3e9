"""Reads an untrusted dump: unpacked within bounds, statement by statement, never executed.

A dump with Stocky's header must end with a footer that matches every table; one edited on purpose must still have the
footer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import NoReturn

import msgspec

from stocky.backup.dump.format import COMPLETE, INCREMENT_FORMAT, Footer, Header, TableDigest, read_footer, read_header
from stocky.backup.load.damage import OTHER_CHECKSUM
from stocky.backup.load.dump_text import DumpText, Unpacked
from stocky.backup.load.rows import Row, StatementRejected, Table, end_of_statement, may_be_passed_over, rows_of
from stocky.errors import BadRequest, Conflict
from stocky.progress import ProgressCallback

# Bytes unpacked at a time, and the longest statement: an item with all data looked up for its barcode.
CHUNK = 2**20
LONGEST_STATEMENT = 16 * 2**20
_BLANK = re.compile(r"\s*+")


class Batch(msgspec.Struct):
    """Rows of one table, with all its columns or only `names`."""

    table: Table
    names: tuple[str, ...] | None
    rows: list[Row]


class DumpReader:
    """One pass over a dump. `header` is set at once, `footer`, `found` and `edits` after the last batch.

    With `accept_edited` the text may differ from the footer's checksums; `edits` then lists where.
    """

    def __init__(self, source: Unpacked, report: ProgressCallback, *, accept_edited: bool = False) -> None:
        self.header: Header | None = None
        self.footer: Footer | None = None
        self.found: dict[str, TableDigest] = {}
        self.edits: list[str] = []
        self._text = DumpText(source)
        self._report = report
        self._accept_edited = accept_edited
        self._buffer = ""
        self._position = 0
        self._statement = 0
        self._hashes: dict[str, hashlib._Hash] = {}
        self._rows: dict[str, int] = {}
        self._sha256 = hashlib.sha256()
        self._read_header()

    def batches(self, tables: dict[str, Table], known: frozenset[str]) -> Iterator[Batch]:
        """Yields all rows in batches. `known` are the object names of Stocky's schema.

        Raises BadRequest, with the statement's number, for anything that Stocky's dumps do not have, and at the end for
        a dump that is truncated or does not match its footer.
        """
        pattern: re.Pattern[str] | None = None
        table: Table | None = None
        while True:
            if pattern is not None and table is not None:
                rows = self._read_usual_rows(table, pattern)
                if rows:
                    yield Batch(table, None, rows)
            if not self._skip_gap():
                break
            following = self._following(tables)
            if following is not None and following is not table:
                table, pattern = following, following.pattern
                continue
            end = self._end_of_statement()
            if table is not None and following is table and table.pattern.match(self._buffer, self._position):
                # Reading the rest of the line completed the usual form.
                continue
            batch = self._read_unusual(self._buffer[self._position : end], tables, known)
            self._position = end
            if batch is not None:
                yield batch
        self._check_complete()

    def _read_header(self) -> None:
        self._refill()
        if not self._buffer:
            raise BadRequest("The backup is empty")
        try:
            self.header = read_header(self._buffer)
        except ValueError as error:
            raise BadRequest(f"The backup is damaged: {error}") from error
        if self.header is not None and self.header.format > INCREMENT_FORMAT:
            raise Conflict(
                f"The backup has format {self.header.format} and was made by Stocky {self.header.stocky},"
                " which is newer than this one; restore it there, or install that version"
            )

    def _read_usual_rows(self, table: Table, pattern: re.Pattern[str]) -> list[Row]:
        """The following rows in the usual form, up to the end of the buffer."""
        start = self._position
        rows: list[Row] = []
        last = None
        match = pattern.scanner(self._buffer, start).match  # type: ignore[attr-defined]  # typeshed leaves it out
        for last in iter(match, None):
            rows.append(last.groups())
        if last is None:
            return rows
        self._position = last.end()
        lines = self._buffer[start : self._position]
        if "''" in lines:
            rows = [_undoubled(row) if any(value and "''" in value for value in row) else row for row in rows]  # type: ignore[operator]  # groups are texts
        self._count(table, lines, len(rows))
        return rows

    def _following(self, tables: dict[str, Table]) -> Table | None:
        """The table of the INSERT line in the usual form at this position, if any."""
        if not self._buffer.startswith('INSERT INTO "', self._position):
            return None
        end = self._buffer.find('"', self._position + 13, self._position + 200)
        return tables.get(self._buffer[self._position + 13 : end])

    def _read_unusual(self, statement: str, tables: dict[str, Table], known: frozenset[str]) -> Batch | None:
        """The rows of a statement that is not in the usual form; None for one that is skipped."""
        try:
            found = rows_of(statement, tables)
        except StatementRejected as error:
            self._refuse(statement, str(error))
        if found is not None:
            table, names, rows = found
            self._count(table, statement + "\n", len(rows))
            return Batch(table, names, rows)
        self._statement += 1
        if not may_be_passed_over(statement, known):
            self._refuse(statement, "Stocky's backups have no such statement", counted=True)
        return None

    def _count(self, table: Table, lines: str, rows: int) -> None:
        self._statement += rows
        self._hashes.setdefault(table.name, hashlib.sha256()).update(lines.encode())
        self._rows[table.name] = self._rows.get(table.name, 0) + rows

    def _skip_gap(self) -> bool:
        """Skips blanks and comments up to the next statement; False at the end of the dump."""
        while True:
            blank = _BLANK.match(self._buffer, self._position)
            assert blank is not None
            self._position = blank.end()
            # A comment starts with two hyphens and ends with its line.
            is_comment = self._buffer.startswith("--", self._position)
            end = self._buffer.find("\n", self._position) if is_comment else -1
            if end < 0 and (is_comment or len(self._buffer) - self._position < 2) and self._refill():
                continue
            if not is_comment:
                return self._position < len(self._buffer)
            line = self._buffer[self._position : end if end >= 0 else None]
            if line.startswith(COMPLETE):
                self._sha256.update(self._buffer[: self._position].encode())
                self._position = end + 1 if end >= 0 else len(self._buffer)
                self._read_footer(line, has_end=end >= 0)
                return False
            self._position = end + 1 if end >= 0 else len(self._buffer)

    def _read_footer(self, line: str, *, has_end: bool) -> None:
        try:
            self.footer = read_footer(line)
        except ValueError as error:
            # A footer without its line end may have been cut off, unless its JSON is complete.
            raise _truncated() if not has_end else BadRequest(f"The backup is damaged: {error}") from error
        while not self._buffer[self._position :].strip():
            self._position = len(self._buffer)
            if not self._refill():
                return
        raise BadRequest("The backup is damaged: something follows its last line")

    def _end_of_statement(self) -> int:
        while (end := end_of_statement(self._buffer, self._position)) is None:
            if not self._refill():
                if self.header is not None:
                    raise _truncated()
                self._refuse(self._buffer[self._position :], "it has no end")
        if end - self._position > LONGEST_STATEMENT:
            self._refuse(self._buffer[self._position :], f"it is longer than {LONGEST_STATEMENT // 2**20} MiB")
        return end

    def _refill(self) -> bool:
        """Drops the processed text and reads more, in growing steps for a long statement; False at the end."""
        rest = len(self._buffer) - self._position
        if rest > LONGEST_STATEMENT:
            self._refuse(self._buffer[self._position :], f"it is longer than {LONGEST_STATEMENT // 2**20} MiB")
        more = self._text.read(max(CHUNK, rest))
        if more:
            if self.footer is None:
                self._sha256.update(self._buffer[: self._position].encode())
            self._buffer = self._buffer[self._position :] + more
            self._position = 0
            self._report("loading", self._text.packed_bytes_read, self._text.packed_bytes, "bytes")
        return bool(more)

    def _check_complete(self) -> None:
        self.found = {
            table: TableDigest(self._rows[table], hashed.hexdigest()) for table, hashed in self._hashes.items()
        }
        if self.header is None:
            return
        if self.footer is None:
            raise _truncated()
        is_same = self.footer.sha256 == self._sha256.hexdigest()
        if self._accept_edited:
            self.edits = _edits(self.footer, self.found) or ([] if is_same else ["text outside its rows"])
        elif is_same:
            self._check_tables(self.footer)
        else:
            line_ends = "; an editor changed its line ends and other text" if self._text.has_crlf else ""
            raise BadRequest(
                f"{OTHER_CHECKSUM}{line_ends}. Use an undamaged copy. For a backup that you edited on purpose, repeat"
                " it with accept_edited=true (--accept-edited)"
            )

    def _check_tables(self, footer: Footer) -> None:
        assert self.header is not None
        if added := sorted(self.found.keys() - footer.tables.keys()):
            raise BadRequest(f"The backup is damaged: it holds rows of {', '.join(added)}, but its last line does not")
        for table, digest in footer.tables.items():
            found = self.found.get(table, _NOTHING)
            if found != digest or self.header.rows.get(table) != digest.rows:
                raise BadRequest(
                    f"The backup is damaged: the rows of {table} do not match its last line"
                    f" ({found.rows} read, {digest.rows} written)"
                )

    def _refuse(self, statement: str, why: str, *, counted: bool = False) -> NoReturn:
        number = self._statement + (not counted)
        beginning = " ".join(statement[:60].split())
        raise BadRequest(f"Statement {number} of the backup is rejected: {why} ({beginning!r} ...)")


_NOTHING = TableDigest(0, hashlib.sha256().hexdigest())


def _truncated() -> BadRequest:
    return BadRequest("The backup is truncated: its last line is missing. Create or download it again")


def _edits(footer: Footer, found: dict[str, TableDigest]) -> list[str]:
    """A phrase for each table whose rows do not match the footer."""
    tables = sorted(footer.tables.keys() | found.keys())
    pairs = [(table, footer.tables.get(table, _NOTHING), found.get(table, _NOTHING)) for table in tables]
    return [
        f"{table} ({written.rows:,} rows written, {read.rows:,} read)"
        for table, written, read in pairs
        if written != read
    ]


def _undoubled(row: Row) -> Row:
    return tuple(value.replace("''", "'") if isinstance(value, str) else value for value in row)

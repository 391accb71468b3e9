"""Reads a CSV file row by row, with its encoding and delimiter given or detected. Lines, cells and rows are bounded."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec

from stocky.errors import Invalid

MAX_LINES = 200_000
MAX_COLUMNS = 100
MAX_CELL = 10_000
# Of a physical line, without quoted line breaks. The csv module limits a cell to 131,072 itself.
MAX_TEXT_LINE = 1_000_000
SAMPLE_BYTES = 64 * 1024
SAMPLE_ROWS = 20
DELIMITERS = ",;\t|"
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_OTHER_KINDS = {
    b"PK\x03\x04": "an Excel or LibreOffice workbook, or an archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"%PDF-": "a PDF",
    b"\x1f\x8b": "compressed (gzip)",
}
# Codecs that strip the byte order mark.
_CODECS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "cp1252": "cp1252"}


class Row(msgspec.Struct, frozen=True):
    """The cells of a row, or the `problem` that prevented reading them; `line` is its first line in the file."""

    line: int
    cells: list[str]
    problem: str | None = None


class Sheet:
    """A CSV file with a header, open for reading once."""

    def __init__(self, path: Path, encoding: str | None = None, delimiter: str | None = None) -> None:
        """Raises Invalid for a file that is not a table, with the reason."""
        with path.open("rb") as file:
            start = file.read(SAMPLE_BYTES)
        _refuse_other_kinds(start)
        self.encoding = encoding or _encoding_of(start)
        self._file = path.open(encoding=_CODECS[self.encoding], newline="")
        try:
            self.delimiter = delimiter or _delimiter_of(self._sample(start))
            self._reader = csv.reader(
                _bounded_lines(self._file, self.encoding), delimiter=self.delimiter, skipinitialspace=True, strict=True
            )
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def rows(self) -> Iterator[Row]:
        """The rows after the header, without empty ones. Raises Invalid where the rest of the file is unreadable."""
        count = 0
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                if "unexpected end of data" in str(error):
                    raise Invalid(f"The quotation mark opened in line {line} is never closed") from None
                row = Row(line, [], _describe(error))
            else:
                if not any(each.strip() for each in cells):
                    continue
                row = Row(line, cells, self._problem(cells))
            count += 1
            if count > MAX_LINES:
                raise Invalid(f"The file has more than {MAX_LINES:,} rows; import it in parts")
            yield row

    def _problem(self, cells: list[str]) -> str | None:
        if any(len(each) > MAX_CELL for each in cells):
            return f"A cell has more than {MAX_CELL:,} characters"
        if any(each.strip() for each in cells[len(self.header) :]):
            return f"The row has {len(cells)} cells, the header has {len(self.header)}; quote text with delimiters"
        if any("\0" in each for each in cells):
            return "Text may not contain NUL characters"
        return None

    def _sample(self, start: bytes) -> str:
        decoder = codecs.getincrementaldecoder(_CODECS[self.encoding])()
        try:
            return decoder.decode(start)
        except UnicodeError as error:
            raise _wrong_encoding(self.encoding, "at its start") from error

    def _read_header(self) -> list[str]:
        try:
            header = [each.strip() for each in next(self._reader)]
        except StopIteration:
            raise Invalid("The file is empty; its first row has to name the columns") from None
        except csv.Error as error:
            raise Invalid(f"The header cannot be read: {_describe(error)}") from None
        while header and not header[-1]:
            header.pop()
        if not header or any("\0" in each for each in header):
            raise Invalid("The first row has to name the columns; is this a CSV file, and in which encoding?")
        if len(header) > MAX_COLUMNS:
            raise Invalid(f"The header has {len(header)} columns; the maximum is {MAX_COLUMNS}")
        if twice := [name for name, times in Counter(header).items() if name and times > 1]:
            raise Invalid(f"The header has the column {twice[0]!r} twice; give them different names")
        return header


def _refuse_other_kinds(start: bytes) -> None:
    for mark, kind in _OTHER_KINDS.items():
        if start.startswith(mark):
            raise Invalid(f"The file is {kind}, not CSV; save the table as CSV (UTF-8) and send that file")


def _encoding_of(start: bytes) -> str:
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    if b"\0" in start[:1000]:
        raise Invalid("The file is not UTF-8 text. If it is UTF-16, set encoding=utf-16")
    return "utf-8"


def _delimiter_of(sample: str) -> str:
    """The delimiter that gives the first rows the same number of columns, and the most columns."""
    lines = sample.splitlines(keepends=True)
    whole = lines[:-1] if len(lines) > 1 and len(sample) > SAMPLE_BYTES // 4 else lines

    def score(delimiter: str) -> tuple[float, int]:
        counts = []
        try:
            for row in csv.reader(whole, delimiter=delimiter, skipinitialspace=True):
                if row:
                    counts.append(len(row))
                if len(counts) >= SAMPLE_ROWS:
                    break
        except csv.Error:
            return 0, 0
        columns = counts[0] if counts else 0
        return (counts.count(columns) / len(counts), columns) if columns > 1 else (0, 0)

    return max(DELIMITERS, key=score)


def _bounded_lines(file: TextIO, encoding: str) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        try:
            line = file.readline(MAX_TEXT_LINE)
        except UnicodeError as error:
            # The decoder reads some kilobytes ahead, so the line is approximate.
            raise _wrong_encoding(encoding, f"after line {number - 1}") from error
        if not line:
            return
        if len(line) == MAX_TEXT_LINE and line[-1] not in "\r\n":
            raise Invalid(f"Line {number} has more than {MAX_TEXT_LINE:,} characters; is this a CSV file?")
        yield line


def _wrong_encoding(encoding: str, where: str) -> Invalid:
    other = "encoding=cp1252 (Excel's default)" if encoding != "cp1252" else "encoding=utf-8"
    return Invalid(f"The file is not {encoding.upper()} {where}; save it as UTF-8, or set its encoding, as in {other}")


def _describe(error: csv.Error) -> str:
    text = str(error)
    if "expected after" in text:
        return "A closing quotation mark must be followed by a delimiter; double quotation marks inside text"
    if "field larger" in text:
        return f"A cell has more than {MAX_CELL:,} characters"
    return f"Not valid CSV: {text}"

"""Reads a CSV file row by row, with its encoding and layout given or detected. Lines, cells and rows are bounded."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import msgspec

from stocky.errors import Invalid
from stocky.exports.csv_cells import unguarded
from stocky.imports.encodings import codec_of, encoding_of, refuse_other_kinds
from stocky.imports.fields import count_recognised, guess
from stocky.imports.layout import find_layout
from stocky.imports.presets import detect

MAX_LINES = 200_000
MAX_COLUMNS = 100
MAX_CELL = 10_000
# Of a physical line, without quoted line breaks. The csv module limits a cell to 131,072 itself.
MAX_TEXT_LINE = 1_000_000
SAMPLE_BYTES = 64 * 1024


class Row(msgspec.Struct, frozen=True):
    """The cells of a row, or the `problem` that prevented reading them; `line` is its first line in the file."""

    line: int
    cells: list[str]
    problem: str | None = None


class Sheet:
    """A CSV file with a header, open for reading once."""

    def __init__(
        self,
        path: Path,
        encoding: str | None = None,
        delimiter: str | None = None,
        header_row: int | None = None,
        headers: Collection[str] = (),
    ) -> None:
        """`header_row` is the line of the header; `headers` are names by which it is found, besides those known.

        Raises Invalid for a file that is not a table, with the reason.
        """
        with path.open("rb") as file:
            start = file.read(SAMPLE_BYTES)
        refuse_other_kinds(start)
        self.encoding = encoding or encoding_of(start)
        self._codec = codec_of(self.encoding, start)
        self._file = path.open(encoding=self._codec, newline="")
        try:
            layout = find_layout(
                self._sample(start),
                is_cut=len(start) == SAMPLE_BYTES,
                recognise=_recognise,
                delimiter=delimiter,
                header_row=header_row,
                headers=headers,
            )
            self.delimiter, self.header_row = layout.delimiter, max(layout.header_line, 1)
            lines = _bounded_lines(self._file, self.encoding)
            self._lines_above = sum(1 for _ in islice(lines, self.header_row - 1))
            self._reader = csv.reader(lines, delimiter=self.delimiter, skipinitialspace=True, strict=True)
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
            line = self._lines_above + self._reader.line_num + 1
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
        decoder = codecs.getincrementaldecoder(self._codec)()
        try:
            return decoder.decode(start)
        except UnicodeError as error:
            raise _wrong_encoding(self.encoding, "at its start") from error

    def _read_header(self) -> list[str]:
        try:
            header = [unguarded(each.strip()) for each in next(self._reader)]
        except StopIteration:
            if self.header_row > 1:
                raise Invalid(f"header_row: The file has no row {self.header_row}", field="header_row") from None
            raise Invalid("The file is empty; its first row has to name the columns") from None
        except csv.Error as error:
            raise Invalid(f"The header cannot be read: {_describe(error)}") from None
        while header and not header[-1]:
            header.pop()
        if not header or any("\0" in each for each in header):
            raise Invalid("The first row has to name the columns; is this a CSV file, and in which encoding?")
        if len(header) > MAX_COLUMNS:
            raise Invalid(f"The header has {len(header)} columns; the maximum is {MAX_COLUMNS}")
        twice = [name for name, times in Counter(header).items() if name and times > 1]
        if known := [name for name in twice if guess(name) is not None]:
            raise Invalid(f"The header has the column {known[0]!r} twice; give them different names")
        for name in twice:
            # No field comes from it unless a mapping says so, for which it needs a name of its own.
            for count, index in enumerate([at for at, each in enumerate(header) if each == name][1:], 2):
                header[index] = f"{name} ({count})"
        return header


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


def _recognise(cells: list[str]) -> int:
    """How many columns of a header are recognised: all of them, if a preset is for such a file."""
    return len(cells) if detect(cells) is not None else count_recognised(cells)


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

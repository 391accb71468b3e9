"""Finds the table in the start of a file: its delimiter, and the row that names its columns, which text may precede.

The first row is the header unless a later one names more columns, or the first ones are titles of one cell.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from io import StringIO

from msgspec import Struct

DELIMITERS = ",;\t|"
SAMPLE_ROWS = 60
_SEPARATOR = re.compile(r'"?sep=([^\w"\s]|\t)"?\s*', re.IGNORECASE)

# The number of columns of a header that are recognised.
Recognise = Callable[[list[str]], int]


class Layout(Struct, frozen=True):
    """The delimiter of a table, and the line on which its header begins; 0 for a file without a row."""

    delimiter: str
    header_line: int


class _Row(Struct):
    line: int
    cells: list[str]

    @property
    def filled(self) -> int:
        return sum(1 for cell in self.cells if cell)

    @property
    def width(self) -> int:
        return max((index + 1 for index, cell in enumerate(self.cells) if cell), default=0)


def find_layout(
    sample: str,
    *,
    is_cut: bool,
    recognise: Recognise,
    delimiter: str | None = None,
    header_row: int | None = None,
    headers: Collection[str] = (),
) -> Layout:
    """The layout of a file that begins with `sample`; `is_cut` if its last line may be incomplete.

    `headers` are names that the header has to have, if any row has them all.
    """
    # As a text file splits lines.
    lines = list(StringIO(sample, newline=""))
    if is_cut and len(lines) > 1:
        lines.pop()
    first = 1
    if lines and (named := _SEPARATOR.fullmatch(lines[0])):
        first, delimiter = 2, delimiter or named[1]
    if header_row is not None:
        first = header_row
    best: tuple[tuple[int, float, int], Layout] | None = None
    for each in DELIMITERS if delimiter is None else delimiter:
        rows = list(_rows(lines, first, each))
        index, recognised = (0, 0) if header_row is not None else _header(rows, recognise, headers)
        line = header_row or (rows[index].line if rows else 0)
        score = (recognised, *_regularity(rows[index:]))
        if best is None or score > best[0]:
            best = (score, Layout(each, line))
    assert best is not None
    return best[1]


def _rows(lines: list[str], first: int, delimiter: str) -> Iterator[_Row]:
    """The rows from a line on that are not blank."""
    reader = csv.reader(lines[first - 1 :], delimiter=delimiter, skipinitialspace=True)
    count, line = 0, first
    while count < SAMPLE_ROWS:
        try:
            cells = [cell.strip() for cell in next(reader)]
        except (StopIteration, csv.Error):
            return
        if any(cells):
            count += 1
            yield _Row(line, cells)
        line = first + reader.line_num


def _header(rows: list[_Row], recognise: Recognise, headers: Collection[str]) -> tuple[int, int]:
    """The index of the header, and how many of its columns are recognised, if that tells the delimiter."""
    # One name may also be a value.
    if len(headers) > 1:
        for index, row in enumerate(rows):
            if set(headers) <= set(row.cells):
                return index, len(headers)
    numbers = [recognise(row.cells) for row in rows]
    if not numbers:
        return 0, 0
    most = max(numbers)
    if numbers[0] > 1 or most < 2:
        return (0 if numbers[0] else _below_titles(rows)), numbers[0] if numbers[0] > 1 else 0
    return numbers.index(most), most


def _below_titles(rows: list[_Row]) -> int:
    """The index of the first row of several cells, in a table that has such rows for the most part."""
    widths = Counter(row.width for row in rows)
    if len(rows) > 2 and widths.most_common(1)[0][0] > 1:
        return next((index for index, row in enumerate(rows) if row.filled > 1), 0)
    return 0


def _regularity(rows: list[_Row]) -> tuple[float, int]:
    """How many of the first rows have as many cells as the header, and how many cells it has."""
    counts = [len(row.cells) for row in rows[:20]]
    columns = counts[0] if counts else 0
    return (counts.count(columns) / len(counts), columns) if columns > 1 else (0, 0)

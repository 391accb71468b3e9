"""The rows of a file that an import did not book: refused, or booked before. Stored as few runs of row numbers.

Rows are added in file order; a run may contain rows without stock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Self

import msgspec

# Higher than any row number.
LAST = 10**9


class UnbookedRows(msgspec.Struct):
    """Runs of rows, each as its first and last row number."""

    runs: list[tuple[int, int]] = []

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self.runs, number, key=lambda run: run[0])
        return index > 0 and number <= self.runs[index - 1][1]

    @classmethod
    def all_but(cls, numbers: Iterable[int]) -> Self:
        """All row numbers except these."""
        runs, first = [], 1
        for number in sorted(numbers):
            if first < number:
                runs.append((first, number - 1))
            first = number + 1
        return cls([*runs, (first, LAST)])

    def add(self, number: int, *, goes_on: bool) -> None:
        """Adds a row after all others; `goes_on` when no stock between it and the last run was booked."""
        if goes_on and self.runs:
            self.runs[-1] = (self.runs[-1][0], number)
        else:
            self.runs.append((number, number))

    def insert(self, numbers: Iterable[int]) -> int:
        """Adds rows at any position; returns how many are new."""
        new = {number for number in numbers if number not in self}
        self.runs = sorted([*self.runs, *((number, number) for number in new)])
        return len(new)

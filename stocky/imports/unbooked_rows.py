"""Which rows of a file an import left: it refused them, or found their stock booked. Few runs, however many rows.

Rows come in the order of the file; one without stock may be within a run.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Self

import msgspec

# No file has so many rows.
LAST = 10**9


class UnbookedRows(msgspec.Struct):
    """Runs of rows, each from its first to its last row, by the numbers of their lines."""

    runs: list[tuple[int, int]] = []

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self.runs, number, key=lambda run: run[0])
        return place > 0 and number <= self.runs[place - 1][1]

    @classmethod
    def all_but(cls, numbers: Iterable[int]) -> Self:
        """Every row there can be, without these."""
        runs, first = [], 1
        for number in sorted(numbers):
            if first < number:
                runs.append((first, number - 1))
            first = number + 1
        return cls([*runs, (first, LAST)])

    def add(self, number: int, *, goes_on: bool) -> None:
        """A row behind all others; `goes_on` when the stock of none between it and the last run was taken."""
        if goes_on and self.runs:
            self.runs[-1] = (self.runs[-1][0], number)
        else:
            self.runs.append((number, number))

    def insert(self, numbers: Iterable[int]) -> int:
        """Rows anywhere. How many of them were not here yet."""
        new = {number for number in numbers if number not in self}
        self.runs = sorted([*self.runs, *((number, number) for number in new)])
        return len(new)

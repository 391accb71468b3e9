"""The results of benchmarks beside their goals: a table for people and a file for programs."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

FILE = Path(__file__).with_name("results.json")
_COMPARISONS = {">=": operator.ge, "<=": operator.le}


class Plan(msgspec.Struct, frozen=True):
    """The length and number of measurements."""

    runs: int
    seconds: float
    warm_up: float


class Result(msgspec.Struct, kw_only=True):
    """Medians of subject and yardstick, the median of the runs' ratios, and any goal for it (or the subject)."""

    id: str
    what: str
    yardstick_is: str
    subject: float | None = None
    yardstick: float | None = None
    ratio: float | None = None
    goal: str = ""
    note: str = ""
    raw: dict[str, Any] = {}
    met: bool | None = None
    measured_at: datetime | None = None

    def __post_init__(self) -> None:
        measured = self.subject if self.ratio is None else self.ratio
        if measured is None:
            return
        if self.goal:
            comparison, _, bound = self.goal.partition(" ")
            self.met = _COMPARISONS[comparison](measured, float(bound))
        # A result read from the file keeps its own time.
        self.measured_at = self.measured_at or datetime.now(UTC)


def ratio(subject: Sequence[float], yardstick: Sequence[float]) -> float:
    """The median of the ratios of runs made side by side."""
    return median(ours / theirs for ours, theirs in zip(subject, yardstick, strict=True))


def table(results: Sequence[Result]) -> str:
    """All results as a table."""
    rows = [("", "what", "Stocky", "yardstick", "ratio", "goal", "met", "")]
    for result in results:
        met = {True: "yes", False: "NO", None: "-"}[result.met]
        rows.append(
            (
                result.id,
                f"{result.what}" + (f" / {result.yardstick_is}" if result.yardstick_is != "-" else ""),
                number_of(result.subject),
                number_of(result.yardstick),
                "" if result.ratio is None else f"{result.ratio:.2f}",
                result.goal,
                met,
                result.note,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = {2, 3, 4}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def read() -> tuple[list[Result], dict[str, Any]]:
    """The results of results.json, and the machine of the last of them."""
    content = msgspec.json.decode(FILE.read_bytes(), type=_File)
    return content.results, content.machine


def keep(results: Sequence[Result], machine: dict[str, Any]) -> list[Result]:
    """Writes results.json and returns all its results; those that were not measured this time stay."""
    measured = {result.id for result in results}
    earlier = read()[0] if FILE.exists() else []
    kept = [result for result in earlier if result.id not in measured]
    everything = sorted([*kept, *results], key=lambda result: int(result.id[1:]))
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(_File(machine, everything)), indent=2) + b"\n")
    return everything


class _File(msgspec.Struct):
    machine: dict[str, Any]
    results: list[Result]


def number_of(value: float | None) -> str:
    """A figure as the tables show it."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"

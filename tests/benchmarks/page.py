"""Writes the tables of `docs/performance.md` from results.json, between comments that name them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from tests.benchmarks.results import Result, number_of
from tests.serving import ROOT

PAGE = ROOT / "docs" / "performance.md"
# Within a cell of a table.
_BAR = r"\|"


def write(results: Sequence[Result], machine: dict[str, Any]) -> None:
    """Replaces the tables of the page."""
    PAGE.write_text(filled(PAGE.read_text("utf-8"), results, machine), "utf-8")


def filled(text: str, results: Sequence[Result], machine: dict[str, Any]) -> str:
    """The text of the page with the tables of these results."""
    for name, table in _TABLES.items():
        parts = re.split(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)", text, flags=re.DOTALL)
        if len(parts) != 2:
            raise ValueError(f"{PAGE.name} has {len(parts) - 1} tables {name}")
        text = f"{parts[0]}{table(results, machine)}\n{parts[1]}"
    return text


def _machine(results: Sequence[Result], machine: dict[str, Any]) -> str:
    return "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in machine.items())


def _against_yardsticks(results: Sequence[Result], machine: dict[str, Any]) -> str:
    lines = ["| | what | Stocky | yardstick | ratio | goal | met |", "|---|---|---|---|---|---|---|"]
    for each in results:
        if each.id != "F14":
            against = "" if each.yardstick_is == "-" else f"; yardstick: {each.yardstick_is}"
            note = f" ({each.note})" if each.note else ""
            ratio = "" if each.ratio is None else f"{each.ratio:.2f}"
            met = {True: "yes", False: "no", None: ""}[each.met]
            cells = [each.id, each.what + against + note, number_of(each.subject), number_of(each.yardstick), ratio]
            lines.append(f"| {' | '.join(cell.replace('|', _BAR) for cell in [*cells, each.goal, met])} |")
    return "\n".join(lines)


def _large_stockroom(results: Sequence[Result], machine: dict[str, Any]) -> str:
    lines = ["| ms | SQLite | Postgres |", "|---|---|---|"]
    of: dict[str, dict[str, dict[str, float]]] = {}
    for each in results:
        if each.id == "F14":
            of.setdefault(each.raw["kind"], {})[each.raw["dialect"]] = each.raw["p50_ms"]
    for kind, medians in of.items():
        on_postgres = medians["Postgres"]
        lines += [f"| {kind} {name} | {ms:.1f} | {on_postgres[name]:.1f} |" for name, ms in medians["SQLite"].items()]
    return "\n".join(lines)


_TABLES: dict[str, Callable[[Sequence[Result], dict[str, Any]], str]] = {
    "machine": _machine,
    "against yardsticks": _against_yardsticks,
    "large stockroom": _large_stockroom,
}

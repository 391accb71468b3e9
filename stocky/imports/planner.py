"""The first pass over a file: decides the outcome of every row against the current data, and changes nothing."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec

from stocky.db import Database, Lane
from stocky.disk import disk_errors
from stocky.imports import row_changes
from stocky.imports.csv_reader import Sheet
from stocky.imports.file_index import FileIndex
from stocky.imports.files import Reports
from stocky.imports.references import FoundReferences, find_references
from stocky.imports.repository import ImportKeys, UnbookedRows
from stocky.imports.row_changes import RowRejected
from stocky.imports.row_parser import Columns, Line, Problem
from stocky.imports.schemas import LineReport
from stocky.names import name_key
from stocky.progress import ProgressCallback

CHUNK_ROWS = 200
# Rows listed in the report; the report files list all.
MAX_LISTED = 100


class Plan(msgspec.Struct):
    """The outcome of a file: counts of rows, reports on the first of them, and the numbers of the rows to write.

    `later` are the rows about an item that an earlier row describes, perhaps in other words. `taken` counts the rows
    whose stock is booked or equal already; `left` has the rows whose stock is not. `origins` maps an earlier import's
    name to rows of this file and their row numbers in that import. `units` has the units of rows that have them in the
    plural or singular of another one, which counts.
    """

    lines: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    skipped: int = 0
    repaired: int = 0
    already_imported: int = 0
    errors: list[LineReport] = []
    changes: list[LineReport] = []
    new_locations: list[str] = []
    new_types: list[str] = []
    to_create: list[int] = []
    to_change: list[int] = []
    later: list[int] = []
    taken: int = 0
    left: UnbookedRows = msgspec.field(default_factory=UnbookedRows)
    refusals: list[int] = []
    origins: dict[str, dict[int, int]] = {}
    units: dict[int, str] = {}

    def refuse(self, row: LineReport) -> None:
        """Counts a refused row."""
        self.refused += 1
        self.refusals.append(row.line)
        if len(self.errors) < MAX_LISTED:
            self.errors.append(row)

    def refuse_late(self, number: int, row: LineReport | None) -> None:
        """Counts a row as refused that was valid in the plan; `row` is its report, where there is one."""
        if _holds(self.refusals, number):
            return
        insort(self.refusals, number)
        self.refused += 1
        if _holds(self.to_create, number):
            self.created -= 1
        elif _holds(self.to_change, number):
            self.changed -= 1
        else:
            self.unchanged -= 1
        if row is not None and len(self.errors) < MAX_LISTED:
            self.errors.append(row)

    def taken_of(self, name: str) -> list[int]:
        """The rows of another import that this one booked, by their numbers there."""
        return [number for line, number in self.origins[name].items() if line not in self.left]

    def leave(self, numbers: Iterable[int]) -> None:
        """Records rows whose stock was not booked."""
        self.taken -= self.left.insert(numbers)


def store_plan(file: Path, plan: Plan) -> Plan:
    """Returns the stored plan of an earlier attempt; without one, stores and returns this plan.

    Raises OutOfSpace or Unavailable.
    """
    with suppress(FileNotFoundError):
        return msgspec.json.decode(file.read_bytes(), type=Plan)
    new_file = file.with_suffix(".new")
    with disk_errors():
        new_file.write_bytes(msgspec.json.encode(plan))
        new_file.replace(file)
    return msgspec.structs.replace(plan, errors=list(plan.errors), refusals=list(plan.refusals))


class Planner:
    """Plans the rows of one file."""

    def __init__(self, database: Database, columns: Columns, names: ImportKeys) -> None:
        self._database = database
        self._columns = columns
        self._names = names
        self._index = FileIndex(columns.options)
        self._leaves = False
        self.plan = Plan()

    async def run(self, sheet: Sheet, reports: Reports, report: ProgressCallback) -> Plan:
        """The plan of the whole file. Raises Invalid where the rest of the file is unreadable."""
        rows = (self._columns.line(row) for row in sheet.rows())
        while chunk := await asyncio.to_thread(next_rows, rows, CHUNK_ROWS):
            good = [line for line in chunk if not line.problems and line.skipped is None]
            async with self._database.read(Lane.BACKGROUND) as read:
                found = await find_references(read, good, self._columns.options.key, self._names, lock=False)
            await asyncio.to_thread(self._decide_all, chunk, found, reports)
            report("checking", self.plan.lines, None, "rows")
        self.plan.new_locations = self._index.new_paths[:MAX_LISTED]
        self.plan.new_types = list(islice(self._index.types, MAX_LISTED))
        return self.plan

    def _decide_all(self, chunk: list[Line], found: FoundReferences, reports: Reports) -> None:
        for line in chunk:
            if line.skipped is not None:
                self.plan.skipped += 1
                reports.add(LineReport(line=line.number, outcome="skipped", item="", message=line.skipped))
                continue
            self.plan.lines += 1
            try:
                row = self._problem(line) if line.problems else self._decide(line, found)
            except RowRejected as refusal:
                column = self._columns.of_field.get(refusal.field or "")
                row = refused(line, Problem(refusal.message, column), line.values)
            reports.add(row)
            if row.outcome == "refused":
                self.plan.refuse(row)
                reports.add_refused(line, row.message if row.column is None else f"{row.column}: {row.message}")
            elif row.outcome == "unchanged":
                self.plan.unchanged += 1
            else:
                if row.outcome == "created":
                    self.plan.created += 1
                    self.plan.to_create.append(line.number)
                else:
                    self.plan.changed += 1
                    self.plan.to_change.append(line.number)
                if len(self.plan.changes) < MAX_LISTED:
                    self.plan.changes.append(row)
            if row.outcome == "refused" or (line.has_stock and found.bookings[line.number].by_other):
                self.plan.left.add(line.number, goes_on=self._leaves)
                self._leaves = True
            elif line.has_stock:
                self.plan.taken += 1
                self._leaves = False
                if line.origin is not None:
                    name = f"{line.origin.key}:{line.origin.content}"
                    self.plan.origins.setdefault(name, {})[line.number] = line.origin.number

    def _decide(self, line: Line, found: FoundReferences) -> LineReport:
        item = row_changes.match(line, found, self._columns.options.key)
        id = self._index.item_of(line, item)
        step = row_changes.ItemStep()
        is_first = not self._index.has_earlier_row(id, line)
        if is_first:
            self._index.check_barcodes(id, line)
            step = (
                row_changes.new_item(line, found)
                if item is None
                else row_changes.item_change(line, item, found, self._columns.options)
            )
        elif self._index.may_differ:
            self.plan.later.append(line.number)
        stock = None
        if line.has_stock:
            stock = row_changes.stock_step(line, item, found, self._columns.options, self._index.units_of(id))
            self.plan.already_imported += stock is None
            if stock is not None:
                self._index.check_location(stock)
                self._index.check_origin(line)
        if stock is not None and id is not None:
            self._index.check_stock(id, stock)
        # All checks have passed: the row will be imported.
        if is_first:
            id = self._index.add_item(id, line)
        if stock is not None and id is not None:
            self._index.add_stock(id, stock, line)
            if stock.row_unit is not None and stock.row_unit != line.values["unit"]:
                self.plan.units[line.number] = stock.row_unit
        if step.type_name and name_key(step.type_name) not in found.types:
            self._index.types.setdefault(step.type_name)
        messages = [*step.messages, *(stock.messages if stock else [])]
        self.plan.repaired += bool(line.repairs)
        repairs = [f"{each.text} was {each.fault}: {barcode}" for barcode, each in line.repairs.items()]
        changes = step.changes or (stock is not None and stock.changes)
        return LineReport(
            line=line.number,
            outcome="created" if is_first and item is None else "changed" if changes else "unchanged",
            item=row_changes.title(line, item),
            message="; ".join(
                [*(messages or ["imported before" if line.has_stock and stock is None else "no change"]), *repairs]
            ),
        )

    def _problem(self, line: Line) -> LineReport:
        # The cells of a row that cannot be split into cells mean nothing.
        names = {} if line.problems[0].column is None else self._columns.names(line.cells)
        return refused(line, line.problems[0], names, more=len(line.problems) - 1)


def refused(line: Line, problem: Problem, values: dict[str, object], *, more: int = 0) -> LineReport:
    """The report on a refused row."""
    return LineReport(
        line=line.number,
        outcome="refused",
        item=str(values.get("name") or values.get("code") or values.get("barcode") or ""),
        column=problem.column,
        message=problem.message + (f" (and {more} more)" if more > 0 else ""),
    )


def _holds(rising: list[int], number: int) -> bool:
    index = bisect_left(rising, number)
    return index < len(rising) and rising[index] == number


def next_rows(lines: Iterator[Line], count: int) -> list[Line]:
    """The next `count` rows; an empty list at the end."""
    return list(islice(lines, count))

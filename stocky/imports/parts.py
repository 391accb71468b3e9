"""Rows of parts, as of a bill of materials: which items they mean, and what a project needs of each.

Rows about one item are added up. A project gets the quantities of a file in one transaction, after the items that the
file creates; what else it needs stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from stocky.auth.schemas import Principal
from stocky.barcodes.codes import normalize_barcode as barcode_key
from stocky.catalogue import repository as catalogue
from stocky.catalogue.finding import fold_part
from stocky.catalogue.schemas import Barcode, Item, NewItem
from stocky.db import Connection, Database
from stocky.errors import Conflict, Invalid, NotFound
from stocky.imports import row_changes
from stocky.imports.cell_values import MAX_MILLI
from stocky.imports.fields import MAX_LENGTHS
from stocky.imports.files import Reports
from stocky.imports.planner import MAX_LISTED, Plan, refused
from stocky.imports.references import FoundReferences, barcodes_of, part_names, part_numbers
from stocky.imports.repository import ImportName
from stocky.imports.row_changes import RowRejected
from stocky.imports.row_parser import Columns, Line, Problem
from stocky.imports.schemas import ImportOrder, LineReport, Unmatched
from stocky.logs import audit
from stocky.progress import ProgressCallback
from stocky.projects import repository as projects
from stocky.projects import service
from stocky.projects.repository import RequirementRow
from stocky.projects.schemas import MAX_REQUIREMENTS, NewProject
from stocky.quantity import from_milli
from stocky.shopping.schemas import NewEntry
from stocky.stock import units

MAX_ROWS = 20_000
_MAX_REFERENCES = 60
_FOUND_BY = {
    "code": "its code",
    "part": "the maker's part number",
    "barcode": "a barcode or a seller's part number",
    "name": "its name",
}


class Need(msgspec.Struct):
    """What the project gets: an item, one that the file creates from `fields`, or a text."""

    quantity_milli: int = 0
    rows: list[int] = []
    item: Item | None = None
    fields: dict[str, Any] | None = None
    text: str | None = None

    @property
    def title(self) -> str:
        if self.item is not None:
            return self.item.name
        return self.text or str((self.fields or {})["name"])

    @property
    def key(self) -> tuple[int | None, str | None]:
        """What distinguishes it in a project."""
        return (None if self.item is None else self.item.id, self.text)


class _Part(msgspec.Struct):
    """A row that is about a part: what it asks for, and how that was found."""

    line: Line
    need: Need
    message: str


class PartsList:
    """The rows of one file, and what the project needs by them. `current` is what it needs already."""

    def __init__(self, columns: Columns, current: Sequence[RequirementRow]) -> None:
        self._columns = columns
        self._current = {(row.item_id, row.text): row.quantity_milli for row in current}
        self._rows: list[_Part | tuple[Line, LineReport]] = []
        self._by_key: dict[tuple[str, Any], Need] = {}
        self.needs: list[Need] = []
        self.plan = Plan()

    @property
    def row_count(self) -> int:
        return len(self._rows)

    def add(self, lines: list[Line], found: FoundReferences) -> None:
        """Adds rows with what they may mean. Raises Invalid for too many."""
        for line in lines:
            if len(self._rows) >= MAX_ROWS:
                raise Invalid(f"A list of parts has at most {MAX_ROWS:,} rows; import it in parts")
            if line.skipped is not None:
                row = LineReport(line=line.number, outcome="skipped", item="", message=line.skipped)
                self._rows.append((line, row))
                continue
            try:
                self._rows.append(self._refused(line) if line.problems else self._add(line, found))
            except RowRejected as refusal:
                problem = Problem(refusal.message, self._columns.of_field.get(refusal.field or ""))
                names: dict[str, object] = {"name": next(iter(part_names(line.values)), "")}
                self._rows.append((line, refused(line, problem, names)))

    def report(self, reports: Reports) -> Plan:
        """Writes the outcome of each row, and counts them. Raises Conflict if a project cannot need so much."""
        new = sum(1 for need in self.needs if need.fields or need.key not in self._current)
        if len(self._current) + new > MAX_REQUIREMENTS:
            raise Conflict(f"A project needs at most {MAX_REQUIREMENTS} things; split it")
        plan = self.plan
        for each in self._rows:
            if isinstance(each, _Part):
                line, row = each.line, self._outcome(each)
            else:
                line, row = each
            reports.add(row)
            if row.outcome == "skipped":
                plan.skipped += 1
                continue
            plan.lines += 1
            if row.outcome == "refused":
                plan.refuse(row)
                reports.add_refused(line, row.message if row.column is None else f"{row.column}: {row.message}")
            elif row.outcome == "unchanged":
                plan.unchanged += 1
            else:
                plan.created += row.outcome == "created"
                plan.changed += row.outcome == "changed"
                if len(plan.changes) < MAX_LISTED:
                    plan.changes.append(row)
        return plan

    def _refused(self, line: Line) -> tuple[Line, LineReport]:
        names = {} if line.problems[0].column is None else self._columns.names(line.cells)
        return line, refused(line, line.problems[0], names, more=len(line.problems) - 1)

    def _add(self, line: Line, found: FoundReferences) -> _Part:
        match = match_part(line.values, found)
        if match is not None:
            item, how = match
            need = self._by_key.get(("item", item.id)) or Need(item=item)
            message = f"found by {_FOUND_BY[how]}"
        else:
            need, message = self._unmatched(line, found)
        quantity_milli = need.quantity_milli + line.values["quantity"]
        if quantity_milli > MAX_MILLI:
            raise RowRejected("With the rows before it the quantity is too large", "quantity")
        # All checks have passed.
        if not need.rows:
            self.needs.append(need)
        need.rows.append(line.number)
        need.quantity_milli = quantity_milli
        for key in _keys_of(line, need):
            self._by_key.setdefault(key, need)
        return _Part(line, need, message)

    def _unmatched(self, line: Line, found: FoundReferences) -> tuple[Need, str]:
        """What a row about no item asks for: the same as an earlier row, a new item or a text. Raises RowRejected."""
        values = line.values
        names = part_names(values)
        if not names:
            raise RowRejected("The row has no name and no part number, and no item has its code or barcode")
        name = names[0][: MAX_LENGTHS["name"]]
        unmatched = self._columns.options.unmatched
        if unmatched is Unmatched.REFUSE:
            raise RowRejected(
                "No item has its part number, barcode, code or name; unmatched=create adds one, unmatched=text the name"
            )
        if unmatched is Unmatched.TEXT:
            text = " ".join(name.split())
            return self._by_key.get(("text", text)) or Need(text=text), "added as text: no item matches"
        number = fold_part(values.get("manufacturer_code") or "")
        for key in _keys_of(line, None):
            if earlier := self._by_key.get(key):
                other = fold_part((earlier.fields or {}).get("manufacturer_code", ""))
                if number and other and number != other:
                    raise RowRejected(f"Row {earlier.rows[0]} gives the barcode {key[1]} to another part", "barcodes")
                return earlier, "a new item, like an earlier row"
        item_values: dict[str, Any] = {
            field: values[field] for field in ("barcode", "barcodes", "description") if field in values
        }
        item_values["name"] = name
        if number:
            item_values["manufacturer_code"] = values["manufacturer_code"]
            # The value of a part that is named after its number, as in 10k, R_0603.
            item_values.setdefault("description", ", ".join(names[1:2]))
        new = msgspec.structs.replace(line, values=item_values)
        return Need(fields=row_changes.new_item(new, found).fields), "a new item"

    def _outcome(self, part: _Part) -> LineReport:
        need, values = part.need, part.line.values
        before = None if need.fields else self._current.get(need.key)
        total = need.quantity_milli
        messages = [f"needs {units.describe(values['quantity'])}"]
        if len(need.rows) > 1:
            messages.append(f"{units.describe(total)} with other rows")
        if before not in (None, total):
            messages.append(f"instead of {units.describe(before or 0)}")
        references = values.get("references", "")
        if len(references) > _MAX_REFERENCES:
            references = f"{references[: _MAX_REFERENCES - 3]}..."
        messages += [part.message, *([references] if references else [])]
        return LineReport(
            line=part.line.number,
            outcome="created" if before is None else "unchanged" if before == total else "changed",
            item=need.title,
            message="; ".join(messages),
        )


def match_part(values: dict[str, Any], found: FoundReferences) -> tuple[Item, str] | None:
    """The item of a part and what found it; None for an unknown one. Raises RowRejected if it may be several items.

    An item with another part number of the maker than the row is another part, whatever else they share.
    """
    if item := _usable(found.codes.get(values.get("code", "")), found):
        return item, "code"
    number = fold_part(values.get("manufacturer_code") or "")
    if number and (item := _only_one(found.parts.get(number, []), found, f"the maker's part number {number!r}")):
        return item, "part"
    for barcode in barcodes_of(values):
        owner = found.owner(barcode)
        if owner is not None and owner.is_active and _may_be(owner, number):
            return owner, "barcode"
    for name in part_names(values):
        ids = [id for id in found.names.get(name, []) if id in found.items and _may_be(found.items[id], number)]
        if item := _only_one(ids, found, f"the name {name!r}"):
            return item, "name"
    for own in part_numbers(values):
        if item := _only_one(found.parts.get(own, []), found, f"the maker's part number {own!r}"):
            return item, "part"
    return None


def _may_be(item: Item, number: str) -> bool:
    return not number or fold_part(item.manufacturer_code) in ("", number)


def _usable(item_id: int | None, found: FoundReferences) -> Item | None:
    item = None if item_id is None else found.items.get(item_id)
    return item if item is not None and item.is_active else None


def _only_one(ids: list[int], found: FoundReferences, what: str) -> Item | None:
    items = [item for id in ids if (item := _usable(id, found))]
    if len(items) > 1:
        raise RowRejected(f"{len(items)} items have {what}; add a column with the code or a barcode")
    return items[0] if items else None


def _keys_of(line: Line, need: Need | None) -> Iterator[tuple[str, Any]]:
    """By what later rows find the need of this row."""
    values = line.values
    if need is not None and need.item is not None:
        yield "item", need.item.id
        return
    if need is not None and need.text is not None:
        yield "text", need.text
        return
    if number := fold_part(values.get("manufacturer_code") or ""):
        yield "part", number
    for code in barcodes_of(values):
        yield "barcode", barcode_key(code)
    if not number:
        yield "name", part_names(values)[0]


async def check_project(read: Connection, project_id: int) -> list[RequirementRow]:
    """What a project needs. Raises Invalid if there is no such project, Conflict if it is withdrawn."""
    try:
        await service.require_unwithdrawn(read, project_id)
    except NotFound as error:
        raise Invalid(error.detail, field="project_id") from None
    return await projects.list_requirement_rows(read, project_id)


async def find_project(read: Connection, order: ImportOrder, name: ImportName) -> int | None:
    """The project that an import fills; None for one that it has not created yet.

    An import that is sent again, perhaps for a response that was lost, fills the project that it made the first time,
    unless that has been withdrawn since.
    """
    if order.options.project_id is not None:
        return order.options.project_id
    created = await read.value("find_imported_project", import_id=order.import_id)
    if created is not None:
        return int(created)
    earlier: int | None = await read.value("find_project_of_file", key=name.key)
    if earlier is None or await projects.find_withdrawal(read, earlier) is not None:
        return None
    return earlier


async def write_parts(
    database: Database,
    order: ImportOrder,
    name: ImportName,
    needs: list[Need],
    by: Principal,
    report: ProgressCallback,
) -> int:
    """Creates the items that are needed, then gives the project all quantities; returns its id.

    Raises NotFound, Conflict: then items may have been created, and the caller rolls the import back.
    """
    new = [need for need in needs if need.fields]
    for number, need in enumerate(new, 1):
        begun = time.perf_counter()
        try:
            need.item = await database.run(_create_item, need, by)
        except (Conflict, Invalid) as error:
            raise Conflict(f"Row {need.rows[0]} became invalid during the import: {error.detail}") from error
        report("writing", number, len(new), "items")
        # Scanners get SQLite's one writer for as long.
        await asyncio.sleep(time.perf_counter() - begun)
    return await database.run(_fill_project, order, name, needs, by)


async def _create_item(tx: Connection, need: Need, by: Principal) -> Item:
    fields = dict(need.fields or {})
    packs = fields.pop("barcodes", {})
    barcodes = [Barcode(code, from_milli(pack)) for code, pack in packs.items()]
    return await catalogue.add_item(tx, NewItem(**fields, barcodes=barcodes), by)


async def _fill_project(tx: Connection, order: ImportOrder, name: ImportName, needs: list[Need], by: Principal) -> int:
    # The same file may be imported twice at once.
    await tx.value("lock_imports")
    project_id = await find_project(tx, order, name)
    if project_id is None:
        assert order.options.project is not None
        project_id = (await projects.add_project(tx, NewProject(name=order.options.project), by)).id
        # What `find_project_of_file` and `list_earlier_imports` read.
        made = {"filename": order.filename, "fingerprint": name.content, "stock_events": 0, "project_id": project_id}
        await audit.record(tx, by, "imported", "import", name.key, made)
    entries = [
        NewEntry(
            item_id=None if need.item is None else need.item.id,
            text=need.text,
            quantity=from_milli(need.quantity_milli),
        )
        for need in needs
    ]
    await service.set_requirements(tx, project_id, entries, by, {"filename": order.filename})
    return project_id

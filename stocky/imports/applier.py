"""The second pass over a file: writes its rows in short transactions, each of which checks the current data again.

A row is written once, however often its import restarts, and its references cannot change while it is written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import msgspec

from stocky.auth.schemas import Principal
from stocky.catalogue import location_repository, part_repository
from stocky.catalogue import repository as catalogue
from stocky.catalogue.location_tree import lock_tree
from stocky.catalogue.schemas import Barcode, Item, ItemChange, NewItem, NewItemType, NewLocation
from stocky.db import Connection, Database
from stocky.errors import Conflict, Contention, Invalid, Unavailable
from stocky.imports import row_changes
from stocky.imports.csv_reader import Sheet
from stocky.imports.files import Reports
from stocky.imports.planner import Plan, next_rows, refused
from stocky.imports.references import FoundReferences, Location, find_references
from stocky.imports.repository import ImportKeys
from stocky.imports.row_changes import ItemStep, StockStep
from stocky.imports.row_parser import Columns, Line, Problem
from stocky.imports.schemas import LineReport, StockMode
from stocky.logs import audit
from stocky.money import from_micro
from stocky.names import name_key
from stocky.prices import repository as prices
from stocky.progress import ProgressCallback
from stocky.quantity import from_milli
from stocky.schema import LocationKind, StorageType
from stocky.stock import repository as stock_repository
from stocky.stock.operations import ItemKey, LocationKey, Operation, PaidPrice, Posting
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import SkuChange

CHUNK_ROWS = 25
ATTEMPTS = 3
# The minimum pause after a chunk, left to scanners.
PAUSE_SECONDS = 0.001
# The fields of a changed item that are recorded for a rollback.
_FIELDS = ItemChange.__struct_fields__


class RowFailedLate(Exception):
    """A row that was valid in the plan and is invalid now. Raised in a transaction, it takes the whole chunk back."""

    def __init__(self, row: LineReport) -> None:
        super().__init__(row.message)
        self.row = row


class _Booked(msgspec.Struct):
    """A row whose stock is part of the chunk's posting."""

    line: Line
    item: Item
    step: StockStep
    operation: Operation | None


class Applier:
    """Writes the rows of one import."""

    def __init__(
        self, database: Database, recorder: Recorder, columns: Columns, names: ImportKeys, by: Principal
    ) -> None:
        self._database = database
        self._recorder = recorder
        self._columns = columns
        self._names = names
        self._by = by
        # The rows that create an item according to the plan.
        self._creates: frozenset[int] = frozenset()
        # The rows about an item that an earlier row describes, perhaps in other words.
        self._later: frozenset[int] = frozenset()
        # The units of rows by the plan, where earlier rows have their plural or singular.
        self._units: dict[int, str] = {}
        # Rows whose stock was refused late, or booked by another import of this name since the plan was made.
        self._left: set[int] = set()

    async def run(self, sheet: Sheet, plan: Plan, reports: Reports, report: ProgressCallback) -> list[LineReport]:
        """Writes the rows that create or change something; returns the rows refused late in a partial import.

        Records in the plan the rows whose stock was not booked.
        Raises RowFailedLate for such a row when the import is all or nothing.
        Raises Unavailable when a restore replaced the data meanwhile: the import has to restart.
        """
        wanted, done = {*plan.to_create, *plan.to_change}, 0
        lines = (self._columns.line(row) for row in sheet.rows() if row.line in wanted)
        refusals: list[LineReport] = []
        self._creates, self._later, self._units = frozenset(plan.to_create), frozenset(plan.later), plan.units
        epoch = self._database.gate.epoch
        while chunk := await asyncio.to_thread(next_rows, lines, CHUNK_ROWS):
            if self._database.gate.epoch != epoch:
                raise Unavailable("A restore replaced the data; the import restarts")
            begun = time.perf_counter()
            for row, line in await self._apply(chunk):
                refusals.append(row)
                if line.has_stock:
                    self._left.add(line.number)
                reports.add(row)
                reports.add_refused(line, row.message)
            done += len(chunk)
            report("writing", done, len(wanted), "rows")
            await asyncio.sleep(max(PAUSE_SECONDS, self._writer_seconds(time.perf_counter() - begun)))
        plan.leave(self._left)
        return refusals

    def _writer_seconds(self, seconds: float) -> float:
        """How long the chunk held SQLite's one writer; scanners get it for as long afterwards."""
        return seconds if self._database.dialect == "sqlite" else 0

    async def _apply(self, chunk: list[Line]) -> list[tuple[LineReport, Line]]:
        """Writes a chunk; returns the refused rows. Raises RowFailedLate when the import is all or nothing."""
        partial = self._columns.options.partial
        for attempt in range(ATTEMPTS):
            try:
                return await self._database.run(self._write, chunk)
            except (Conflict, Contention, Invalid) as error:
                # A concurrent change took a barcode, a name or a location; the next attempt sees it.
                row = refused(chunk[0], Problem(error.detail), chunk[0].values)
                if isinstance(error, Invalid) and attempt:
                    break
            except RowFailedLate as late:
                if not partial:
                    raise
                row = late.row
                break
        if len(chunk) == 1:
            if not partial:
                raise RowFailedLate(row)
            return [(row, chunk[0])]
        return [row for line in chunk for row in await self._apply([line])]

    async def _write(self, tx: Connection, chunk: list[Line]) -> list[tuple[LineReport, Line]]:
        """Writes one chunk in one transaction."""
        await tx.value("lock_imports")
        if any(line.has_stock for line in chunk):
            # Before any item is locked, as by every change of a location.
            await lock_tree(tx)
        found = await find_references(tx, chunk, self._columns.options.key, self._names, lock=True)
        # The chunk may be retried with different data.
        self._left.difference_update(found.bookings)
        self._left.update(number for number, booking in found.bookings.items() if booking.by_other)
        refusals: list[tuple[LineReport, Line]] = []
        booked: list[_Booked] = []
        for line in chunk:
            try:
                one = await self._write_row(tx, line, found)
            except row_changes.RowRejected as refusal:
                problem = Problem(refusal.message, self._columns.of_field.get(refusal.field or ""))
                row = refused(line, problem, line.values)
                if not self._columns.options.partial:
                    raise RowFailedLate(row) from None
                refusals.append((row, line))
            else:
                if one is not None:
                    booked.append(one)
        await self._book(tx, booked)
        return refusals

    async def _write_row(self, tx: Connection, line: Line, found: FoundReferences) -> _Booked | None:
        item = row_changes.match(line, found, self._columns.options.key)
        step = ItemStep()
        if item is None:
            step = row_changes.new_item(line, found)
        elif line.number not in self._later:
            step = row_changes.item_change(line, item, found, self._columns.options)
        if item is not None and step.changes and line.number in self._creates:
            raise row_changes.RowRejected(
                f"{item.name} ({item.code}) was created meanwhile; import the row again to change it"
            )
        stock = None
        if line.has_stock:
            file_units = [self._units[line.number]] if line.number in self._units else []
            stock = row_changes.stock_step(line, item, found, self._columns.options, file_units)
        # From here on only the database or the ledger can reject the row.
        fields = await self._item_fields(tx, step, found)
        if item is None:
            code = fields.pop("code", None)
            item = await catalogue.add_item(tx, NewItem(**fields), self._by, code=code)
            found.change(item)
        elif fields:
            item = await self._change_item(tx, line, item, fields)
            found.change(item)
        if stock is None or not stock.changes:
            return None
        if stock.location is None:
            stock.location = await self._add_location(tx, stock, found)
        return _Booked(line, item, stock, self._operation(line, item, stock, stock.location) if stock.books else None)

    async def _item_fields(self, tx: Connection, step: ItemStep, found: FoundReferences) -> dict[str, Any]:
        """The fields for NewItem or ItemChange. Creates a missing type."""
        fields = dict(step.fields)
        if "barcodes" in fields:
            packs = fields["barcodes"]
            fields["barcodes"] = [Barcode(code, from_milli(pack)) for code, pack in packs.items()]
        if step.type_name is not None:
            key = name_key(step.type_name)
            if key not in found.types:
                new_type = await part_repository.add_item_type(tx, NewItemType(name=step.type_name), self._by)
                found.types[key] = new_type.id
            fields["type_id"] = found.types[key]
        return fields

    async def _change_item(self, tx: Connection, line: Line, item: Item, fields: dict[str, Any]) -> Item:
        changed = await catalogue.change_item(tx, item.id, ItemChange(**fields), self._by)
        # Naming a stub changes more than its name.
        differing = [name for name in _FIELDS if getattr(item, name) != getattr(changed, name)]
        await self._record_previous(tx, "item", item.id, line, item, changed, differing)
        return changed

    async def _add_location(self, tx: Connection, stock: StockStep, found: FoundReferences) -> Location:
        """Adds the row's location, after those that it is in."""
        around, _, _ = stock.new_paths[0].rpartition(" / ")
        location = found.locations.at(around) if around else None
        for path in stock.new_paths:
            new = NewLocation(
                name=path[len(around) + 3 :] if around else path,
                storage_type=stock.storage_type if path == stock.location_path else StorageType.OTHER,
                kind=(stock.kind if path == stock.location_path else None) or LocationKind.PLACE,
                parent_id=None if location is None else location.id,
            )
            created = await location_repository.add_location(tx, new, self._by)
            location, around = Location(created.id, created.name, created.path, kind=created.kind), path
            found.locations.add(location)
        assert location is not None
        return location

    def _operation(self, line: Line, item: Item, stock: StockStep, location: Location) -> Operation:
        name, number = self._names.of(line)
        return Operation(
            kind="set" if stock.mode is StockMode.SET else "add",
            item=ItemKey(id=item.id),
            location=LocationKey(id=location.id),
            quantity_milli=stock.quantity_milli,
            expiry_date=stock.lot.expiry_date,
            lot=stock.lot.lot,
            serial=stock.lot.serial,
            opened_on=stock.lot.opened_on,
            unit=stock.unit,
            notes=stock.notes,
            event_id=stock.event_id,
            fingerprint=name.fingerprint(number),
            note=f"import, row {line.number}",
            user_id=self._by.id,
            price=None
            if stock.price_micro is None
            else PaidPrice(stock.price_micro, seller=stock.seller, unit=stock.price_unit),
        )

    async def _book(self, tx: Connection, booked: list[_Booked]) -> None:
        """Books the stock of all rows as one posting, then changes units and notes of the SKUs.

        Raises RowFailedLate for a row that the ledger rejects: its item and location are written already, and a stored
        rejection would also be the outcome of the corrected row.
        """
        events = [each for each in booked if each.operation is not None]
        if events:
            posting = Posting([each.operation for each in events if each.operation], batch_id=self._names.own.import_id)
            await self._recorder.post_within(tx, posting)
            for each, outcome in zip(events, posting.outcomes, strict=True):
                if outcome.status == "rejected":
                    problem = Problem(outcome.reason or "The ledger rejected it")
                    raise RowFailedLate(refused(each.line, problem, each.line.values))
        for each in booked:
            if each.step.details and each.step.sku_id is not None:
                await self._change_sku(tx, each, each.step.sku_id)
            if each.operation is None and each.step.price_micro is not None and each.step.sku_id is not None:
                await self._add_price(tx, each, each.step.sku_id, each.step.price_micro)

    async def _change_sku(self, tx: Connection, one: _Booked, sku_id: int) -> None:
        before = await stock_repository.get_sku(tx, sku_id)
        changed = await stock_repository.change_sku(tx, before, msgspec.convert(one.step.details, SkuChange), self._by)
        await self._record_previous(tx, "sku", sku_id, one.line, before, changed, list(one.step.details))

    async def _add_price(self, tx: Connection, one: _Booked, sku_id: int, price_micro: int) -> None:
        """Records the price of stock that is there as the row counts it."""
        unit = one.step.price_unit or (await stock_repository.get_sku(tx, sku_id)).unit
        price_id = await prices.insert_price(
            tx, one.item.id, sku_id, price_micro, unit, self._by, seller=one.step.seller
        )
        details = {"row": one.line.number, "item_id": one.item.id, "unit_price": from_micro(price_micro), "unit": unit}
        await audit.record(tx, self._by, "created", "price", price_id, details)

    async def _record_previous(
        self, tx: Connection, subject: str, id: int, line: Line, before: Any, after: Any, fields: Iterable[str]
    ) -> None:
        """Records the previous values in the audit trail, from which a rollback restores them."""
        was = {name: msgspec.to_builtins(getattr(before, name)) for name in fields}
        now = {name: msgspec.to_builtins(getattr(after, name)) for name in was}
        await audit.record(tx, self._by, "imported", subject, id, {"row": line.number, "before": was, "after": now})

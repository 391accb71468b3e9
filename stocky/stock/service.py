"""Turns API requests into operations for the recorder, and their outcomes into responses or errors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from stocky.auth.schemas import Principal
from stocky.barcodes.codes import ScannedCode, describe_misread
from stocky.barcodes.reader import read_codes
from stocky.catalogue.location_repository import get_locations
from stocky.db import Connection, Database
from stocky.errors import Conflict, Invalid, NotFound, Stale, StockyError, Unavailable
from stocky.money import to_micro
from stocky.quantity import from_milli, to_milli
from stocky.stock import repository
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.event_details import booked_at, describe_outcome
from stocky.stock.fingerprints import fingerprint
from stocky.stock.operations import (
    AnyLot,
    ItemKey,
    LocationKey,
    Operation,
    Outcome,
    PaidPrice,
    Posting,
    RejectionKind,
)
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import (
    Adjustment,
    EventResult,
    EventResults,
    EventType,
    LocationReference,
    MalformedEvent,
    NamedLot,
    NewEvent,
    NewEvents,
    NewSku,
    NewUndo,
    Opening,
    QuantityChange,
    ReadEvents,
    Sku,
    SkuChange,
    StockEvent,
    named_lot,
    to_date,
)

# Of an item whose policy is to take what is in stock.
_ALL_TAKEN = "Less was in stock than requested; all of it was taken"
# The error for each kind of rejection, and its problem type where that is not the error's own.
_ERRORS: dict[RejectionKind, tuple[type[StockyError], str | None]] = {
    "not_found": (NotFound, None),
    "policy": (Conflict, "oversell"),
    "unit": (Conflict, "unit-mismatch"),
    "event_id": (Conflict, "event-id-reused"),
    "stale": (Stale, None),
    "undone": (Conflict, "already-undone"),
    "invalid": (Invalid, None),
}


async def record_events(recorder: Recorder, new: NewEvents, by: Principal) -> EventResults:
    """Records events, each with its own result. Raises Conflict with the results if an atomic request is rejected."""
    return _results(recorder, await _post_events(recorder, new, by, with_details=False), by, _malformed(new))


async def record_events_with_details(
    recorder: Recorder, database: Database, new: NewEvents, by: Principal
) -> EventResults:
    """The same with the item of each event and its stock right after it; without them when they cannot be read."""
    posting = await _post_events(recorder, new, by, with_details=True)
    malformed = _malformed(new)
    answer = _results(recorder, posting, by, malformed)
    try:
        async with database.read() as read:
            locations = await get_locations(read, booked_at(posting.outcomes))
    except Unavailable:
        # The events are recorded: an error would make a client send those without an event_id once more.
        for result in answer.results:
            result.details = None
        return answer
    outcomes = iter(posting.outcomes)
    for result in answer.results:
        result.details = None if result.index in malformed else describe_outcome(next(outcomes), locations)
    return answer


async def _post_events(recorder: Recorder, new: NewEvents, by: Principal, *, with_details: bool) -> Posting:
    if new.atomic and (malformed := _malformed(new)):
        raise _none_applied(_without_outcomes(new.events, malformed))
    scanned = await read_codes([event.item.upc or "" for event in new.events], recorder.measure_rules.current)
    operations = [_operation(event, reading, by) for event, reading in zip(new.events, scanned, strict=True)]
    if with_details:
        for operation in operations:
            operation.with_details = True
    posting = Posting(operations, batch_id=new_batch_id(), atomic=new.atomic)
    # None are left when all events are malformed.
    return await recorder.post(posting) if operations else posting


def _malformed(new: NewEvents) -> dict[int, MalformedEvent]:
    return new.malformed if isinstance(new, ReadEvents) else {}


def _results(recorder: Recorder, posting: Posting, by: Principal, malformed: dict[int, MalformedEvent]) -> EventResults:
    results = [
        EventResult(
            index=index,
            status=outcome.status,  # type: ignore[arg-type]  # an event is never only looked up
            event_id=operation.event_id,
            id=outcome.ledger_id,
            sku_id=outcome.sku_id,
            quantity_after=None if outcome.quantity_after_milli is None else from_milli(outcome.quantity_after_milli),
            reason=outcome.reason,
            warning=_warning(recorder, operation, outcome, by),
        )
        for index, (operation, outcome) in enumerate(zip(posting.operations, posting.outcomes, strict=True))
    ]
    if posting.rejected_whole:
        raise _none_applied(results)
    _insert_malformed(results, malformed)
    statuses = [result.status for result in results]
    assert posting.batch_id is not None
    return EventResults(
        results=results,
        applied=statuses.count("applied"),
        duplicates=statuses.count("duplicate"),
        rejected=statuses.count("rejected"),
        batch_id=posting.batch_id,
    )


def _warning(recorder: Recorder, operation: Operation, outcome: Outcome, by: Principal) -> str | UnsetType:
    """What the client should tell: of several warnings the first.

    The barcode was probably misread, less was taken than requested, or, once for each user, the scanner has the wrong
    settings.
    """
    scanned = operation.item.scanned if operation.item else None
    if scanned is not None and scanned.problem is not None:
        scanned = None
    # The number of an item that somebody reviewed is a person's own.
    if scanned is not None and not outcome.is_reviewed and (misread := describe_misread(scanned)) is not None:
        return misread
    if outcome.is_short:
        return _ALL_TAKEN
    hint = None if scanned is None else scanned.warning
    if hint is not None and recorder.scanner_hints.first_time(f"user-{by.id}", hint):
        return hint
    return UNSET


async def add_stock(recorder: Recorder, new: NewSku, by: Principal) -> tuple[Sku, bool]:
    """Adds stock and returns the SKU, and whether it is new. Raises NotFound, Conflict, Invalid."""
    outcome = await recorder.record(_addition(new, by))
    return _sku_of(outcome), outcome.sku_is_new


async def add_stock_within(tx: Connection, recorder: Recorder, new: NewSku, by: Principal) -> Sku:
    """The same within a transaction."""
    return _sku_of(await recorder.record_within(tx, _addition(new, by)))


def _addition(new: NewSku, by: Principal) -> Operation:
    return Operation(
        kind="add",
        item=ItemKey(id=new.item_id),
        location=LocationKey(id=new.location_id),
        quantity_milli=to_milli(new.quantity),
        expiry_date=to_date(new.expiry_date),
        lot=new.lot or "",
        serial=new.serial or "",
        opened_on=None,
        unit=new.unit,
        notes=new.notes,
        create_sku=True,
        user_id=by.id,
        with_details=True,
        price=paid_price(new.unit_price, new.seller),
        **named(new.event_id, new),
    )


async def count_stock(
    recorder: Recorder, sku_id: int, change: QuantityChange, by: Principal, if_versions: Collection[int] | None
) -> Sku:
    """Sets the quantity of a SKU. Raises NotFound, Stale, Conflict."""
    operation = Operation(
        kind="set",
        sku_id=sku_id,
        quantity_milli=to_milli(change.quantity),
        if_versions=if_versions,
        note=change.note,
        user_id=by.id,
        with_details=True,
        **named(change.event_id, (sku_id, change)),
    )
    return _sku_of(await recorder.record(operation))


async def adjust_stock(recorder: Recorder, sku_id: int, change: Adjustment, by: Principal) -> Sku:
    """Adds to a SKU or removes from it. Raises NotFound, Conflict if the item's policy forbids it."""
    delta = to_milli(change.delta, "delta")
    operation = Operation(
        kind="add" if delta > 0 else "remove",
        sku_id=sku_id,
        quantity_milli=abs(delta),
        unit=change.unit or None,
        note=change.note,
        user_id=by.id,
        with_details=True,
        price=paid_price(change.unit_price, change.seller),
        **named(change.event_id, (sku_id, change)),
    )
    return _sku_of(await recorder.record(operation))


async def open_stock(recorder: Recorder, sku_id: int, opening: Opening, by: Principal) -> Sku:
    """Opens a part of a closed SKU and returns the SKU of what is opened. Raises NotFound, Invalid, Conflict."""
    operation = Operation(
        kind="open",
        sku_id=sku_id,
        quantity_milli=to_milli(opening.quantity),
        occurred_at=opening.occurred_at,
        note=opening.note,
        user_id=by.id,
        with_details=True,
        **named(opening.event_id, (sku_id, opening)),
    )
    outcome = raise_if_rejected(await recorder.record(operation))
    return _sku_of(msgspec.structs.replace(outcome, sku_id=outcome.events[-1].sku_id))


async def change_sku(
    tx: Connection,
    recorder: Recorder,
    sku_id: int,
    change: SkuChange,
    by: Principal,
    if_versions: Collection[int] | None,
) -> Sku:
    """Applies `change` to a SKU, and returns it, or after a move the SKU that holds its stock now.

    A quantity, a move and writing it off are booked. Raises NotFound, Stale, Conflict.
    """
    sku = await repository.lock_sku(tx, sku_id, if_versions)
    if isinstance(change.quantity, (int, float)) and to_milli(change.quantity) != to_milli(sku.quantity):
        operation = Operation(
            kind="set", sku_id=sku_id, quantity_milli=to_milli(change.quantity), user_id=by.id, with_details=True
        )
        sku = _sku_of(await recorder.record_within(tx, operation))
    sku = await repository.change_sku(tx, sku, change, by)
    if change.is_active is False:
        # Where it is: at another location its lot may hold more than this.
        raise_if_rejected(await recorder.record_within(tx, _write_off(sku_id, by)))
        return await repository.get_sku(tx, sku_id, with_hidden=True)
    if isinstance(change.location_id, int) and change.location_id != sku.location_id:
        # After the other fields: the lot moves with its new expiry date, and joins that lot there.
        return await _move_sku(tx, recorder, sku, change, by)
    return sku


async def _move_sku(tx: Connection, recorder: Recorder, sku: Sku, change: SkuChange, by: Principal) -> Sku:
    """Moves all that a SKU holds to another location, and hides the SKU. Returns that of the lot there."""
    assert isinstance(change.location_id, int)
    if sku.quantity < 0:
        raise Conflict("The SKU's quantity is negative and cannot be moved; count it first", field="location_id")
    to = LocationKey(id=change.location_id)
    operation = Operation(
        kind="move",
        sku_id=sku.id,
        to_location=to,
        quantity_milli=to_milli(sku.quantity),
        notes=sku.notes,
        user_id=by.id,
        with_details=True,
    )
    if not sku.quantity:
        operation = Operation(
            kind="add",
            item=ItemKey(id=sku.item_id),
            location=to,
            expiry_date=sku.expiry_date,
            lot=sku.lot,
            serial=sku.serial,
            opened_on=sku.opened_on,
            unit=sku.unit,
            notes=sku.notes,
            create_sku=True,
            user_id=by.id,
            with_details=True,
        )
    outcome = raise_if_rejected(await recorder.record_within(tx, operation))
    raise_if_rejected(
        await recorder.record_within(tx, Operation(kind="set", sku_id=sku.id, deactivate=True, user_id=by.id))
    )
    lot = (sku.expiry_date, sku.lot, sku.serial, sku.opened_on)
    moved = next(
        each
        for each in outcome.skus
        if each.location_id == change.location_id and (each.expiry_date, each.lot, each.serial, each.opened_on) == lot
    )
    if isinstance(change.notes, UnsetType) or moved.notes == sku.notes:
        return await repository.get_sku(tx, moved.id)
    return await repository.change_sku(tx, moved, SkuChange(notes=change.notes), by)


async def move_stock(
    recorder: Recorder, moved: Sequence[tuple[int, float]], location_id: int, by: Principal, event_id: str | None = None
) -> str:
    """Moves quantities of SKUs to a location, all or none, and returns the batch_id that undoes them.

    Unlike an event of type move, it names the lot without an expiry date, too. Raises NotFound, Conflict, Invalid.
    """
    operations = [
        Operation(
            kind="move",
            sku_id=sku_id,
            to_location=LocationKey(id=location_id),
            quantity_milli=to_milli(quantity),
            user_id=by.id,
            **named(None if event_id is None else f"{event_id}/{index}", (sku_id, quantity, location_id)),
        )
        for index, (sku_id, quantity) in enumerate(moved)
    ]
    posting = await recorder.post(Posting(operations, batch_id=new_batch_id(), atomic=True))
    for outcome in posting.outcomes:
        raise_if_rejected(outcome)
    assert posting.batch_id is not None
    return posting.batch_id


async def write_off(recorder: Recorder, sku_id: int, by: Principal) -> bool:
    """Removes the stock of the SKU and hides it; returns whether there was any, which was booked. Raises NotFound."""
    return raise_if_rejected(await recorder.record(_write_off(sku_id, by))).ledger_id is not None


def _write_off(sku_id: int, by: Principal) -> Operation:
    return Operation(kind="set", sku_id=sku_id, deactivate=True, note="written off", user_id=by.id)


async def empty_skus_within(
    tx: Connection, recorder: Recorder, sku_ids: Sequence[int], note: str, by: Principal
) -> str:
    """Removes the stock of the SKUs, all or none within a transaction, and returns the batch_id that undoes it.

    Raises NotFound, Conflict.
    """
    operations = [
        Operation(kind="set", sku_id=sku_id, quantity_milli=0, note=note, user_id=by.id) for sku_id in sku_ids
    ]
    posting = await recorder.post_within(tx, Posting(operations, batch_id=new_batch_id(), atomic=True))
    for outcome in posting.outcomes:
        raise_if_rejected(outcome)
    assert posting.batch_id is not None
    return posting.batch_id


async def undo_batch_within(tx: Connection, recorder: Recorder, batch: str, by: Principal) -> None:
    """Compensates the rest of a batch within a transaction. Raises NotFound, Conflict."""
    raise_if_rejected(await recorder.record_within(tx, Operation(kind="undo", undo_batch=batch, user_id=by.id)))


async def undo(
    recorder: Recorder, new: NewUndo | None, by: Principal, *, event: int | None = None, batch: str | None = None
) -> list[StockEvent]:
    """Compensates one event with its transfer, or the rest of a batch, and returns the new events.

    Raises NotFound, Conflict if it was undone before or its stock was removed since.
    """
    new = new or NewUndo()
    operation = Operation(
        kind="undo",
        undo_event=event,
        undo_batch=batch,
        note=new.note,
        user_id=by.id,
        with_details=True,
        **named(new.event_id, (event, batch)),
    )
    return raise_if_rejected(await recorder.record(operation)).events


def raise_if_rejected(outcome: Outcome) -> Outcome:
    """Returns the outcome; raises the error of a rejected one."""
    if outcome.status == "rejected":
        raise error_of(outcome)
    return outcome


def error_of(outcome: Outcome) -> StockyError:
    """The error for a rejected outcome."""
    error, kind = _ERRORS[outcome.rejection or "policy"]
    return error(outcome.reason or "Rejected", kind=kind)


def _sku_of(outcome: Outcome) -> Sku:
    raise_if_rejected(outcome)
    for sku in outcome.skus:
        if sku.id == outcome.sku_id:
            return sku
    raise NotFound("The SKU has been removed since")


def _operation(event: NewEvent, scanned: ScannedCode, by: Principal) -> Operation:
    reference = event.item
    return Operation(
        kind=event.type.value,
        item=ItemKey(reference.id, reference.code, None if reference.upc is None else scanned),
        location=location_key(event.location),
        to_location=location_key(event.to_location),
        quantity_milli=to_milli(event.quantity),
        unit=event.unit,
        in_packs=reference.upc is not None and event.unit is None,
        create_stub=reference.upc is not None,
        occurred_at=event.occurred_at,
        note=", ".join(filter(None, (event.note, scanned.note))) or None,
        user_id=by.id,
        opened_on=None if event.type is EventType.OPEN else AnyLot.ANY,
        price=None if event.unit_price is None else paid_price(event.unit_price, event.seller),
        **lot_fields(named_lot(event.lot, event.expiry_date, event.serial), scanned),
        **named(event.event_id, event),
    )


def paid_price(unit_price: float | None, seller: str | None = None) -> PaidPrice | None:
    """What was paid for one of a quantity, as a request has it; None if it has no price."""
    return None if unit_price is None else PaidPrice(to_micro(unit_price), (seller or "").strip() or None)


def lot_fields(lot: NamedLot, scanned: ScannedCode | None = None) -> dict[str, Any]:
    """The fields of an operation on the lot that a request names, each else as the scanned label has it."""
    fields: dict[str, Any] = {} if scanned is None else label_fields(scanned)
    if not isinstance(lot.expiry_date, UnsetType):
        fields["expiry_date"] = lot.expiry_date
    if lot.lot or lot.serial:
        if lot.lot != fields.get("lot") or lot.serial:
            # The rest of the label is about another lot.
            fields.pop("serial", None)
            fields["of_label"] = False
        fields |= {name: value for name, value in (("lot", lot.lot), ("serial", lot.serial)) if value}
    return fields


def label_fields(scanned: ScannedCode) -> dict[str, Any]:
    """The fields of an operation on the lot of a scanned label; none for a plain barcode."""
    fields: dict[str, Any] = {}
    if scanned.expiry is not None:
        fields |= {"expiry_date": scanned.expiry, "of_label": True}
    if scanned.lot is not None:
        fields |= {"lot": scanned.lot, "of_label": True}
    if scanned.serial is not None:
        fields |= {"serial": scanned.serial, "of_label": True}
    return fields


def location_key(reference: LocationReference | None) -> LocationKey | None:
    """The location that a request names, or None."""
    if reference is None:
        return None
    return LocationKey(reference.id, reference.name, reference.box_no, reference.loc_no)


def named(event_id: str | None, content: object) -> dict[str, Any]:
    """The fields by which an operation is recognised when it is sent again; none without an event_id."""
    if event_id is None:
        return {}
    return {"event_id": event_id, "fingerprint": fingerprint(content), "content": content}


def _insert_malformed(results: list[EventResult], malformed: dict[int, MalformedEvent]) -> None:
    """Adds the results of malformed events to those of the others, and numbers all of them as they were sent."""
    for index, event in sorted(malformed.items()):
        results.insert(index, _result("rejected", event.event_id, event.reason))
    if malformed:
        for index, result in enumerate(results):
            result.index = index


def _without_outcomes(events: list[NewEvent], malformed: dict[int, MalformedEvent]) -> list[EventResult]:
    """The results of an atomic request with malformed events, before `_none_applied` rejects the others."""
    results = [_result("applied", event.event_id) for event in events]
    _insert_malformed(results, malformed)
    return results


def _result(status: Literal["applied", "rejected"], event_id: str | None, reason: str | None = None) -> EventResult:
    return EventResult(
        index=0, status=status, event_id=event_id, id=None, sku_id=None, quantity_after=None, reason=reason
    )


def _none_applied(results: list[EventResult]) -> Conflict:
    first = next(result for result in results if result.status == "rejected")
    for result in results:
        # A duplicate with a row in the ledger keeps its result.
        if result.status != "rejected" and not (result.status == "duplicate" and result.id):
            result.status = "rejected"
            result.id = result.sku_id = result.quantity_after = None
            result.reason = f"Not applied, because event {first.index} was rejected"
    return Conflict(
        f"None of the {len(results)} events was applied: event {first.index} was rejected. {first.reason}",
        results=results,
        kind="not-applied",
    )

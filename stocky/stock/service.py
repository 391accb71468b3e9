"""Turns API requests into operations for the recorder, and their outcomes into answers or errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stocky.auth.schemas import Principal
from stocky.barcodes.codes import ScannedCode
from stocky.barcodes.reader import read_codes
from stocky.db import Connection, Database
from stocky.errors import Conflict, Invalid, NotFound, Stale, StockyError
from stocky.quantity import from_milli, to_milli
from stocky.stock import repository
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.event_details import booked_at, describe_outcome
from stocky.stock.fingerprints import fingerprint
from stocky.stock.operations import AnyLot, ItemKey, LocationKey, Operation, Outcome, Posting
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import (
    Adjustment,
    EventResult,
    EventResults,
    LocationReference,
    NewEvent,
    NewEvents,
    NewSku,
    NewUndo,
    QuantityChange,
    Sku,
    SkuChange,
    StockEvent,
)

_ERRORS: dict[str, type[StockyError]] = {
    "not_found": NotFound,
    "policy": Conflict,
    "event_id": Conflict,
    "stale": Stale,
    "undone": Conflict,
    "invalid": Invalid,
}


async def record_events(recorder: Recorder, new: NewEvents, by: Principal) -> EventResults:
    """Records events, each with its own result. Raises Conflict with the results if an atomic request is rejected."""
    return _results(await _post_events(recorder, new, by, with_details=False))


async def record_events_with_details(
    recorder: Recorder, database: Database, new: NewEvents, by: Principal
) -> EventResults:
    """The same with the item of each event and its stock right after it."""
    posting = await _post_events(recorder, new, by, with_details=True)
    answer = _results(posting)
    async with database.read() as read:
        names = await repository.get_location_names(read, booked_at(posting.outcomes))
    for result, outcome in zip(answer.results, posting.outcomes, strict=True):
        result.details = describe_outcome(outcome, names)
    return answer


async def _post_events(recorder: Recorder, new: NewEvents, by: Principal, *, with_details: bool) -> Posting:
    scanned = await read_codes([event.item.upc or "" for event in new.events])
    operations = [_operation(event, reading, by) for event, reading in zip(new.events, scanned, strict=True)]
    if with_details:
        for operation in operations:
            operation.with_details = True
    return await recorder.post(Posting(operations, batch_id=new_batch_id(), atomic=new.atomic))


def _results(posting: Posting) -> EventResults:
    results = [
        EventResult(
            index=index,
            status=outcome.status,  # type: ignore[arg-type]  # an event is never only looked up
            event_id=operation.event_id,
            id=outcome.ledger_id,
            sku_id=outcome.sku_id,
            quantity_after=None if outcome.quantity_after_milli is None else from_milli(outcome.quantity_after_milli),
            reason=outcome.reason,
        )
        for index, (operation, outcome) in enumerate(zip(posting.operations, posting.outcomes, strict=True))
    ]
    if posting.rejected_whole:
        raise _none_applied(results)
    statuses = [result.status for result in results]
    assert posting.batch_id is not None
    return EventResults(
        results=results,
        applied=statuses.count("applied"),
        duplicates=statuses.count("duplicate"),
        rejected=statuses.count("rejected"),
        batch_id=posting.batch_id,
    )


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
        lot=new.expiry_date,
        unit=new.unit,
        notes=new.notes,
        create_sku=True,
        user_id=by.id,
        with_details=True,
        **named(new.event_id, new),
    )


async def count_stock(
    recorder: Recorder, sku_id: int, change: QuantityChange, by: Principal, if_version: int | None
) -> Sku:
    """Sets the quantity of a SKU. Raises NotFound, Stale, Conflict."""
    operation = Operation(
        kind="set",
        sku_id=sku_id,
        quantity_milli=to_milli(change.quantity),
        if_version=if_version,
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
        **named(change.event_id, (sku_id, change)),
    )
    return _sku_of(await recorder.record(operation))


async def change_sku(
    tx: Connection, recorder: Recorder, sku_id: int, change: SkuChange, by: Principal, if_version: int | None
) -> Sku:
    """Applies `change` to a SKU; a quantity is booked. Raises NotFound, Stale, Conflict."""
    sku = await repository.lock_sku(tx, sku_id, if_version)
    if isinstance(change.quantity, (int, float)) and to_milli(change.quantity) != to_milli(sku.quantity):
        operation = Operation(
            kind="set", sku_id=sku_id, quantity_milli=to_milli(change.quantity), user_id=by.id, with_details=True
        )
        sku = _sku_of(await recorder.record_within(tx, operation))
    return await repository.change_sku(tx, sku, change, by)


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


async def write_off(recorder: Recorder, sku_id: int, by: Principal) -> None:
    """Books out what the SKU holds and hides it. Raises NotFound."""
    operation = Operation(kind="set", sku_id=sku_id, deactivate=True, note="written off", user_id=by.id)
    raise_if_rejected(await recorder.record(operation))


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
    return _ERRORS[outcome.rejection or "policy"](outcome.reason or "Rejected")


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
        lot=event.lot or scanned.expiry or AnyLot.ANY,
        unit=event.unit,
        in_packs=reference.upc is not None and event.unit is None,
        create_stub=reference.upc is not None,
        occurred_at=event.occurred_at,
        note=", ".join(filter(None, (event.note, scanned.note))) or None,
        user_id=by.id,
        **named(event.event_id, event),
    )


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
    )

"""Turns what the API is asked for into operations for the recorder, and their outcomes into answers or errors."""

from __future__ import annotations

from typing import Any

from stocky.auth.schemas import Principal
from stocky.barcodes.reader import read_codes
from stocky.barcodes.reading import ScannedCode
from stocky.db import Connection
from stocky.errors import Conflict, Invalid, NotFound, Stale, StockyError
from stocky.quantity import from_milli, to_milli
from stocky.stock import repository
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.fingerprints import fingerprint
from stocky.stock.operations import AnyLot, ItemKey, Operation, Outcome, Place, Posting
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
    """Each event with its own result. Raises Conflict, with the results, when one of an atomic request is refused."""
    scanned = await read_codes([event.item.upc or "" for event in new.events])
    operations = [_operation(event, reading, by) for event, reading in zip(new.events, scanned, strict=True)]
    batch_id = new_batch_id()
    posting = await recorder.post(Posting(operations, batch_id=batch_id, atomic=new.atomic))
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
        for index, (operation, outcome) in enumerate(zip(operations, posting.outcomes, strict=True))
    ]
    if posting.refused_whole:
        raise _none_applied(results)
    statuses = [result.status for result in results]
    return EventResults(
        results=results,
        applied=statuses.count("applied"),
        duplicates=statuses.count("duplicate"),
        rejected=statuses.count("rejected"),
        batch_id=batch_id,
    )


async def add_stock(recorder: Recorder, new: NewSku, by: Principal) -> tuple[Sku, bool]:
    """The SKU after the stock was added, and whether it is new. Raises NotFound, Conflict, Invalid."""
    operation = Operation(
        kind="add",
        item=ItemKey(id=new.item_id),
        place=Place(id=new.location_id),
        quantity_milli=to_milli(new.quantity),
        lot=new.expiry_date,
        unit=new.unit,
        notes=new.notes,
        create_sku=True,
        user_id=by.id,
        with_details=True,
        **named(new.event_id, new),
    )
    outcome = await recorder.record(operation)
    return _sku_of(outcome), outcome.sku_is_new


async def count_stock(
    recorder: Recorder, sku_id: int, change: QuantityChange, by: Principal, if_version: int | None
) -> Sku:
    """The SKU with its quantity set. Raises NotFound, Stale, Conflict."""
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
    """The SKU after more or less. Raises NotFound, Conflict where the item's policy refuses."""
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
    """A SKU with what is set in `change`; a quantity is booked. Raises NotFound, Stale, Conflict."""
    sku = await repository.lock_sku(tx, sku_id, if_version)
    if isinstance(change.quantity, (int, float)) and to_milli(change.quantity) != to_milli(sku.quantity):
        operation = Operation(
            kind="set", sku_id=sku_id, quantity_milli=to_milli(change.quantity), user_id=by.id, with_details=True
        )
        sku = _sku_of(await recorder.record_within(tx, operation))
    return await repository.change_sku(tx, sku, change, by)


async def write_off(recorder: Recorder, sku_id: int, by: Principal) -> None:
    """Books out what the SKU holds and hides it. Raises NotFound."""
    operation = Operation(kind="set", sku_id=sku_id, deactivate=True, note="written off", user_id=by.id)
    raise_if_rejected(await recorder.record(operation))


async def undo(
    recorder: Recorder, new: NewUndo | None, by: Principal, *, event: int | None = None, batch: str | None = None
) -> list[StockEvent]:
    """The events that compensate one event with its transfer, or what is left of a batch.

    Raises NotFound, Conflict when it was undone before or its stock has gone since.
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
    """The outcome, unless it is a refusal: that is raised as the error it means."""
    if outcome.status == "rejected":
        raise refusal_of(outcome)
    return outcome


def refusal_of(outcome: Outcome) -> StockyError:
    """The error that a refusal means."""
    return _ERRORS[outcome.refusal or "policy"](outcome.reason or "Refused")


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
        place=to_place(event.location),
        to_place=to_place(event.to_location),
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


def to_place(reference: LocationReference | None) -> Place | None:
    """The place that a request names, if it names one."""
    if reference is None:
        return None
    return Place(reference.id, reference.name, reference.box_no, reference.loc_no)


def named(event_id: str | None, content: object) -> dict[str, Any]:
    """The fields of an operation that recognise it when it is sent again; none without an event_id."""
    if event_id is None:
        return {}
    return {"event_id": event_id, "fingerprint": fingerprint(content), "content": content}


def _none_applied(results: list[EventResult]) -> Conflict:
    first = next(result for result in results if result.status == "rejected")
    for result in results:
        # One that was in the ledger before, and is named by its row there, still is.
        if result.status != "rejected" and not (result.status == "duplicate" and result.id):
            result.status = "rejected"
            result.id = result.sku_id = result.quantity_after = None
            result.reason = f"Left out, because event {first.index} was refused"
    return Conflict(
        f"None of the {len(results)} events was applied: event {first.index} was refused. {first.reason}",
        results=results,
    )

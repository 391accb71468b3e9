"""Reads SKUs and the ledger, and changes a SKU's other fields; only the recorder writes quantities."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from msgspec import UnsetType

from stocky import clock
from stocky.alerts.evaluate import evaluate_alerts
from stocky.auth.schemas import Principal
from stocky.catalogue.containing import find_fragment
from stocky.catalogue.repository import get_items, like_pattern
from stocky.catalogue.schemas import Location
from stocky.db import Connection, Listing
from stocky.errors import Conflict, NotFound, Stale
from stocky.logs import audit
from stocky.prices.valuation import price_skus
from stocky.quantity import to_milli
from stocky.schema import MAX_ID, is_empty, or_current
from stocky.settings.repository import get_settings
from stocky.stock import units
from stocky.stock.emptied import emptied_before
from stocky.stock.models import SkuState
from stocky.stock.schemas import EntryType, EventPage, Sku, SkuChange, StockEvent, to_date

# If a time range has fewer events than this, all of them are read by the index of time, and then sorted.
SHORT_TIME = 5_000
# To skip more SKUs than this as of a moment, all of them are counted in one query.
FAR_PAGE = 2_000
# The minimum of events read at once for each of several merged items.
MIN_SHARE = 20


class _Rejection(msgspec.Struct):
    refusal: str
    reason: str


async def get_sku(read: Connection, sku_id: int, *, with_hidden: bool = False) -> Sku:
    """Raises NotFound."""
    sku = await read.one("get_sku", Sku, id=sku_id, with_hidden=with_hidden)
    if sku is None:
        raise NotFound(f"There is no SKU with id {sku_id}")
    return sku


async def list_skus(
    read: Connection,
    *,
    skip: int,
    limit: int,
    item_id: int | None = None,
    location_id: int | None = None,
    within: int | None = None,
    low_stock: bool = False,
    expiring_soon: bool = False,
    search: str | None = None,
    emptied: bool = False,
    lot: str | None = None,
    serial: str | None = None,
    after: int = 0,
    listing: Listing | None = None,
) -> list[Sku]:
    """SKUs with ids above `after` in the order they were created, or that of `listing`.

    `location_id`: at that location; `within`: at it or at one that is in it.
    `low_stock`: of items at or below their minimum; `expiring_soon`: with stock that has expired or expires within
    the `expiring_soon_days` of the settings; `emptied`: with those that are empty for more than the `emptied_days`.
    What is low, or of a lot or serial number that is named, is listed although it is empty for long.
    """
    lot, serial = lot or None, serial or None
    settings = await get_settings(read)
    wanted = {
        "skip": skip,
        "limit": limit,
        "after": after,
        "item_id": item_id,
        "location_id": location_id,
        "within": within,
        "low_stock": low_stock,
        "expiring_soon": expiring_soon,
        "expires_by": clock.local_today() + timedelta(days=settings.expiring_soon_days if expiring_soon else 0),
        "emptied_before": clock.LONG_AGO if emptied or low_stock or lot or serial else emptied_before(settings),
        "lot": lot,
        "serial": serial,
    }
    skus = await read.run(_list_skus, search, wanted, listing.order if listing else "")
    if listing is not None:
        is_counted = listing.is_counted_by(len(skus), skip=skip, limit=limit, after=after)
        # Counting all that contain a text takes seconds in a large stockroom, while a page of them is found at once.
        if not is_counted and not after and like_pattern(search) is None:
            filters = [value for name, value in wanted.items() if name not in ("skip", "limit", "after")]
            await listing.count(("skus", *filters), partial(_count_skus, read, wanted))
    return skus


async def _list_skus(tx: Connection, search: str | None, wanted: dict[str, Any], order: str) -> list[Sku]:
    ids = [row[0] for row in await _find_sku_ids(tx, search, wanted, order)]
    by_id = {sku.id: sku for sku in await tx.all("list_skus_by_id", Sku, ids=ids)}
    return [by_id[id] for id in ids]


async def _find_sku_ids(tx: Connection, search: str | None, wanted: dict[str, Any], order: str) -> Sequence[Any]:
    """A page of ids, read by the index of the most selective filter, as far as that is known in advance."""
    pattern = like_pattern(search)
    if pattern is not None:
        await tx.rows("plan_for_values")
        fragment = await find_fragment(tx, search)
        return await tx.sorted_rows("list_sku_ids_containing", order, **wanted, pattern=pattern, fragment=fragment)
    if wanted["serial"] is not None:
        return await tx.sorted_rows("list_sku_ids_of_serial", order, **wanted)
    if wanted["lot"] is not None:
        return await tx.sorted_rows("list_sku_ids_of_lot", order, **wanted)
    if wanted["item_id"] is not None:
        return await tx.sorted_rows("list_sku_ids_of_item", order, **wanted)
    if wanted["low_stock"]:
        return await tx.sorted_rows("list_low_sku_ids", order, **wanted)
    if wanted["location_id"] is not None:
        return await tx.sorted_rows("list_sku_ids_at", order, **wanted)
    if wanted["within"] is not None:
        return await tx.sorted_rows("list_sku_ids_within", order, **wanted)
    if order.removeprefix("-").startswith("name"):
        return await tx.sorted_rows("list_sku_ids_with_item", order, **wanted)
    return await tx.sorted_rows("list_sku_ids", order, **wanted)


async def _count_skus(read: Connection, wanted: dict[str, Any]) -> int:
    """The number of SKUs of all pages."""
    if wanted["serial"] is not None:
        return await read.count_rows("list_sku_ids_of_serial", **wanted)
    if wanted["lot"] is not None:
        return await read.count_rows("list_sku_ids_of_lot", **wanted)
    if wanted["item_id"] is not None:
        return await read.count_rows("list_sku_ids_of_item", **wanted)
    if wanted["low_stock"]:
        return await read.count_rows("list_low_sku_ids", **wanted)
    if wanted["location_id"] is not None:
        return await read.count_rows("list_sku_ids_at", **wanted)
    if wanted["within"] is not None:
        return await read.count_rows("list_sku_ids_within", **wanted)
    return await read.count_rows("list_sku_ids", **wanted)


async def list_skus_as_of(
    read: Connection,
    as_of: datetime,
    *,
    skip: int,
    limit: int,
    item_id: int | None,
    location_id: int | None,
    within: int | None = None,
    lot: str | None = None,
    serial: str | None = None,
    after: int = 0,
) -> list[Sku]:
    """The SKUs with ids above `after` that held stock at a moment, with their quantities then."""
    page = {"as_of": as_of, "skip": skip, "limit": limit, "after": after}
    wanted = {
        "item_id": item_id,
        "location_id": location_id,
        "within": within,
        "lot": lot or None,
        "serial": serial or None,
    }
    if skip > FAR_PAGE and not any(wanted.values()):
        return await read.all("list_skus_as_of_far", Sku, **page)
    return await read.all("list_skus_as_of", Sku, **page, **wanted)


async def expand_skus(
    read: Connection, skus: Sequence[Sku], expand: set[str], *, as_of: datetime | None = None
) -> None:
    """Nests the item, the location and the price in each SKU, as `expand` names them; the price known at `as_of`."""
    if "item" in expand:
        items = await get_items(read, {sku.item_id for sku in skus})
        for sku in skus:
            sku.item = items[sku.item_id]
    if "location" in expand:
        locations = await read.all("list_locations_by_id", Location, ids={sku.location_id for sku in skus})
        by_id = {location.id: location for location in locations}
        for sku in skus:
            sku.location = by_id[sku.location_id]
    if "price" in expand:
        until = None if as_of is None else as_of + timedelta(microseconds=1)
        prices = await price_skus(read, {sku.item_id for sku in skus}, until)
        for sku in skus:
            sku.price = prices.get(sku.id)


async def lock_sku(tx: Connection, sku_id: int, if_versions: Collection[int] | None) -> Sku:
    """A SKU, locked until the transaction ends. Raises NotFound, Stale."""
    sku = await get_sku(tx, sku_id)
    await tx.all("lock_items", dict[str, Any], ids={sku.item_id})
    sku = await get_sku(tx, sku_id)
    if if_versions is not None and sku.version not in if_versions:
        raise Stale(f"The SKU was changed since you read it (version {sku.version} now); read it again and repeat")
    return sku


async def change_sku(tx: Connection, sku: Sku, change: SkuChange, by: Principal) -> Sku:
    """Applies `change`, except for what is booked: quantity, location, and whether it is active.

    Raises Conflict for another item, for a lot that another SKU of the item has there, and for a serial number that is
    not that of one piece or is in stock already.
    """
    if is_empty(change):
        return sku
    if or_current(change.item_id, sku.item_id) != sku.item_id:
        raise Conflict("A SKU's item cannot be changed; create a SKU of the other item instead", field="item_id")
    unit, moment = or_current(change.unit, sku.unit), clock.now()
    expiry_date = sku.expiry_date if isinstance(change.expiry_date, UnsetType) else to_date(change.expiry_date)
    lot, serial = or_current(change.lot, sku.lot) or "", or_current(change.serial, sku.serial) or ""
    if serial and (serial, unit) != (sku.serial, sku.unit):
        await _check_serial(tx, sku, serial, unit)
    await tx.execute(
        "change_sku",
        id=sku.id,
        unit=unit,
        notes=or_current(change.notes, sku.notes) or "",
        expiry_date=expiry_date,
        lot=lot,
        serial=serial,
        version=sku.version + 1,
        updated_at=moment,
        # Events up to now are in the old unit. The same unit in another spelling is no change.
        unit_changed_at=None if units.ratio(sku.unit, unit) == 1 else moment,
    )
    if (expiry_date, unit) != (sku.expiry_date, sku.unit):
        await evaluate_alerts(tx, [sku.item_id])
    details = {name: value for name, value in msgspec.to_builtins(change).items() if value is not msgspec.UNSET}
    await audit.record(tx, by, "changed", "sku", sku.id, details)
    return await get_sku(tx, sku.id)


async def _check_serial(tx: Connection, sku: Sku, serial: str, unit: str) -> None:
    """Raises Conflict for a serial number that is not that of one piece or is in stock already."""
    if sku.quantity not in (0, 1) or not units.counts_pieces(unit):
        raise Conflict(
            f"A serial number names one piece, and the SKU has {units.describe(to_milli(sku.quantity), unit)};"
            " take one piece of it first",
            field="serial",
        )
    others = await tx.all("list_skus_of_items", SkuState, ids=[sku.item_id])
    if sku.quantity and any(each.serial == serial and each.quantity_milli and each.id != sku.id for each in others):
        raise Conflict(f"The serial number {serial} of the item is in stock already", field="serial")


async def get_event(read: Connection, event_id: int) -> StockEvent:
    """Raises NotFound."""
    event = await read.one("list_events_by_id", StockEvent, ids=[event_id])
    if event is None:
        raise NotFound(f"There is no event with id {event_id}")
    return event


async def get_event_by_event_id(read: Connection, event_id: str) -> StockEvent:
    """The (first) event with the client's own id. Raises NotFound, with the reason where it was rejected."""
    event = await read.one("find_event_by_event_id", StockEvent, event_id=event_id)
    if event is None:
        rejection = await read.one("find_refusals", _Rejection, event_ids=[event_id])
        if rejection is not None and rejection.refusal == "command":
            raise NotFound(f"The event_id {event_id!r} is that of a command, which is no event: {rejection.reason}")
        if rejection is not None and rejection.refusal == "looked_up":
            raise NotFound(f"The event_id {event_id!r} is that of a scan that booked nothing: {rejection.reason}")
        if rejection is not None:
            raise NotFound(f"The event with the event_id {event_id!r} was rejected: {rejection.reason}")
        raise NotFound(
            f"There is no event with the event_id {event_id!r}: it never arrived, or was refused for its form;"
            " send it again, corrected where needed"
        )
    return event


async def list_batch(read: Connection, batch_id: str) -> list[StockEvent]:
    """The events of one request or transfer, in order."""
    return await read.all("list_batch", StockEvent, batch_id=batch_id)


async def list_start_of_batch(read: Connection, batch_id: str, limit: int) -> list[StockEvent]:
    """The first `limit` of them."""
    return await read.all("list_start_of_batch", StockEvent, batch_id=batch_id, limit=limit)


async def count_batch(read: Connection, batch_id: str) -> tuple[int, int]:
    """The number of these events, and of those that are not undone."""
    [(events, remaining)] = await read.rows("count_batch", batch_id=batch_id)
    return events, remaining


async def list_transfer(read: Connection, transfer_id: int) -> list[StockEvent]:
    """The events of one transfer, which has the id of its first."""
    return await read.all("list_transfers_by_id", StockEvent, ids=[transfer_id])


async def list_events(
    read: Connection,
    *,
    limit: int,
    cursor: int | None = None,
    item_id: int | None = None,
    location_id: int | None = None,
    within: int | None = None,
    user_id: int | None = None,
    scanner_id: str | None = None,
    type: EntryType | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    lot: str | None = None,
    serial: str | None = None,
) -> EventPage:
    """A page of the ledger, newest first, with ids below `cursor`; `within`: at that location or one that is in it."""
    wanted = {
        "before": cursor or MAX_ID,
        "limit": limit + 1,
        "location_id": location_id,
        "within": within,
        "user_id": user_id,
        "scanner_id": scanner_id,
        "type": type,
        "since": since or clock.LONG_AGO,
        "until": until or clock.FAR_AWAY,
        "lot": lot or None,
        "serial": serial or None,
    }
    if item_id is None:
        events = await read.run(_list_events, wanted, since is not None or until is not None)
    else:
        events = await read.run(_list_events_of, item_id, wanted)
    more = len(events) > limit
    return EventPage(events[:limit], events[limit - 1].id if more else None)


async def _list_events(tx: Connection, wanted: dict[str, Any], has_time: bool) -> list[StockEvent]:
    """Events, read by the index of the most selective filter, as far as that is known in advance."""
    # A plan for any time expects few events in it.
    await tx.rows("plan_for_values")
    if wanted["serial"] is not None:
        rows = await tx.rows("list_event_ids_of_serial", **wanted)
    elif wanted["lot"] is not None:
        rows = await tx.rows("list_event_ids_of_lot", **wanted)
    elif has_time and await tx.value("count_events_between", **wanted, most=SHORT_TIME) < SHORT_TIME:
        rows = await tx.rows("list_event_ids_between", **wanted)
    elif wanted["type"] not in (None, EntryType.ADD, EntryType.REMOVE):
        rows = await tx.rows("list_event_ids_of_rare_kind", **wanted)
    elif wanted["scanner_id"] is not None:
        rows = await tx.rows("list_event_ids_of_scanner", **wanted)
    elif wanted["location_id"] is not None:
        rows = await tx.rows("list_event_ids_at", **wanted)
    elif wanted["within"] is not None:
        rows = await tx.rows("list_event_ids_within", **wanted)
    elif wanted["user_id"] is not None:
        rows = await tx.rows("list_event_ids_of_user", **wanted)
    else:
        rows = await tx.rows("list_event_ids", **wanted)
    return await tx.all("list_events_by_id", StockEvent, ids=[row[0] for row in rows])


async def _list_events_of(tx: Connection, item_id: int, wanted: dict[str, Any]) -> list[StockEvent]:
    """Events of an item and of the items merged into it, each read by its index: other rows of the ledger are not read.

    Each item's share of the page is read first, and more only if it has events above the last one of the page so far.
    """
    merged = await tx.rows("list_items_merged_into", target_id=item_id)
    limit = wanted["limit"]
    share = min(limit, max(MIN_SHARE, -(-limit // (1 + len(merged)))))
    page: list[StockEvent] = []
    unread = dict.fromkeys([item_id, *(row[0] for row in merged)], wanted["before"])
    while unread:
        for each, before in list(unread.items()):
            after = page[-1].id if len(page) == limit else 0
            part = wanted | {"item_id": each, "before": before, "after": after, "limit": share}
            events = await tx.all("list_events_of_item", StockEvent, **part)
            page = sorted(page + events, key=lambda event: event.id, reverse=True)[:limit]
            if len(events) == share and (len(page) < limit or events[-1].id > page[-1].id):
                unread[each] = events[-1].id
            else:
                del unread[each]
    return page

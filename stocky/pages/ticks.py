"""A tick on a shopping list: reads the purchase from the form and books it as the API does."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct

from stocky.auth.schemas import Principal
from stocky.db import Database
from stocky.money import UnitPrice
from stocky.quantity import Quantity
from stocky.schema import Id
from stocky.shopping import service
from stocky.shopping.schemas import Purchase, check_positive
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import EventId, LocationReference, Lot, Notes, Seller, Serial


class Tick(Struct, kw_only=True):
    """The purchase of an entry; without an item the entry is a text."""

    item_id: Id | None = None
    location_id: Id | None = None
    quantity: Quantity | None = None
    expiry_date: date | None = None
    lot: Lot | None = None
    serial: Serial | None = None
    note: Notes | None = None
    event_id: EventId | None = None
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None
    unit_price: UnitPrice | None = None
    seller: Seller | None = None

    def __post_init__(self) -> None:
        if self.quantity is not None:
            check_positive(self.quantity)


async def book_tick(
    database: Database, recorder: Recorder, user: Principal, list_id: int, entry_id: int, data: Tick
) -> None:
    """Marks an entry as bought, as the API does."""
    if data.item_id is None:
        async with database.transaction() as tx:
            await service.buy_placeholder(tx, list_id, entry_id, user)
        return
    purchase = Purchase(
        quantity=data.quantity,
        location=None if data.location_id is None else LocationReference(id=data.location_id),
        expiry_date=UNSET if data.expiry_date is None else data.expiry_date.isoformat(),
        lot=data.lot,
        serial=data.serial,
        note=data.note,
        event_id=data.event_id,
        occurred_at=data.occurred_at,
        unit_price=data.unit_price,
        # The form has the field for a seller even where nothing was paid.
        seller=None if data.unit_price is None else data.seller or None,
    )
    # A tick that waited on a device with a fast clock must not be rejected for its time.
    await service.buy_item(database, recorder, list_id, data.item_id, purchase, user, until_now=True)

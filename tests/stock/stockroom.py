"""A stockroom for tests: items and locations, short ways to post events, and a check of every sum."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from datetime import date
from typing import Any

from stocky import clock
from stocky.auth.schemas import Principal, Role, User
from stocky.catalogue.location_repository import add_location
from stocky.catalogue.repository import add_item
from stocky.catalogue.schemas import Barcode, NewItem, NewLocation
from stocky.config import Config
from stocky.db import Database, make_database
from stocky.schema import OversellPolicy, StorageType
from stocky.stock import repository, service
from stocky.stock.consistency import find_faults
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import (
    EventPage,
    EventResult,
    EventResults,
    EventType,
    ItemReference,
    LocationReference,
    NewEvent,
    NewEvents,
    NewUndo,
    Sku,
    StockEvent,
)

# The first user of every test database.
SOMEONE = Principal(
    User(
        id=1,
        username="admin",
        email="admin@example.org",
        role=Role.ADMIN,
        is_active=True,
        created_at=clock.now(),
        updated_at=clock.now(),
    )
)


class Stockroom:
    """A recorder on an open database, and short ways to use it."""

    def __init__(self, config: Config, database: Database) -> None:
        self.config = config
        self.database = database
        self.recorder = Recorder(database)
        self._names = 0

    async def item(
        self, policy: str = "reject", *, name: str | None = None, packs: dict[str, float] | None = None
    ) -> int:
        """The id of a new item; `packs` are its barcodes with their pack quantities."""
        barcodes = [Barcode(barcode, quantity) for barcode, quantity in (packs or {}).items()]
        new = NewItem(name=name or self._name("item"), oversell_policy=OversellPolicy(policy), barcodes=barcodes)
        async with self.database.transaction() as tx:
            return (await add_item(tx, new, SOMEONE)).id

    async def location(self, name: str | None = None) -> int:
        """The id of a new location."""
        new = NewLocation(name=name or self._name("location"), storage_type=StorageType.PANTRY)
        async with self.database.transaction() as tx:
            return (await add_location(tx, new, SOMEONE)).id

    async def post(self, *events: NewEvent, atomic: bool = False) -> EventResults:
        """Posts events as `POST /events` does. Raises Conflict if an atomic request is rejected."""
        return await service.record_events(self.recorder, NewEvents(events=list(events), atomic=atomic), SOMEONE)

    async def one(self, event: NewEvent) -> EventResult:
        """Posts one event and returns its result."""
        return (await self.post(event)).results[0]

    async def undo(self, *, event: int | None = None, batch: str | None = None, **more: Any) -> list[StockEvent]:
        """Undoes as the undo endpoints do."""
        return await service.undo(self.recorder, NewUndo(**more), SOMEONE, event=event, batch=batch)

    async def skus(self, item_id: int) -> list[Sku]:
        """The active SKUs of an item."""
        async with self.database.read() as read:
            return await repository.list_skus(read, skip=0, limit=1000, item_id=item_id)

    async def total(self, item_id: int) -> float:
        """The total quantity of an item."""
        return sum(sku.quantity for sku in await self.skus(item_id))

    async def lots(self, item_id: int) -> dict[tuple[int, date | None], float]:
        """Quantities by location and expiry date."""
        return {(sku.location_id, sku.expiry_date): sku.quantity for sku in await self.skus(item_id)}

    async def history(self, item_id: int | None = None, **filters: Any) -> list[StockEvent]:
        """The ledger, oldest first."""
        async with self.database.read() as read:
            page: EventPage = await repository.list_events(read, limit=100_000, item_id=item_id, **filters)
        return page.events[::-1]

    async def check(self) -> None:
        """Fails if `stocky check` would find a fault."""
        assert await find_faults(self.config) == []

    def _name(self, what: str) -> str:
        self._names += 1
        return f"{what} {id(self)}-{self._names}"


def event(
    type: str,
    item: int | str,
    location: int | None,
    quantity: float,
    event_id: str | None = None,
    *,
    lot: date | None = None,
    to: int | None = None,
    **more: Any,
) -> NewEvent:
    """One event as decoded from a request; an item by its id, or by its barcode as text."""
    return NewEvent(
        type=EventType(type),
        item=ItemReference(id=item) if isinstance(item, int) else ItemReference(upc=item),
        quantity=quantity,
        location=None if location is None else LocationReference(id=location),
        to_location=None if to is None else LocationReference(id=to),
        lot=None if lot is None else lot.isoformat(),
        event_id=event_id,
        **more,
    )


async def second_stockroom(config: Config) -> Stockroom:
    """A second process's view of the same database, with its own connections and recorder. Close it with `leave`."""
    database = make_database(config)
    await database.open()
    other = Stockroom(config, database)
    other.recorder.start()
    return other


async def leave(stockroom: Stockroom) -> None:
    """Writes what is queued and closes the database."""
    await stockroom.recorder.close()
    await stockroom.database.close()


async def at_once(works: list[Callable[[], Coroutine[Any, Any, Any]]]) -> list[Any]:
    """The results of works started together in this order, so that a recorder puts them in one batch."""
    return await asyncio.gather(*(work() for work in works))


def objects_of(kind: type) -> int:
    """How many objects of a class there are, those included that only the garbage collector would free."""
    return sum(type(each) is kind for each in gc.get_objects())

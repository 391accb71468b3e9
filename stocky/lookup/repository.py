"""The look-up columns of items; fields that a person wrote are never overwritten."""

from __future__ import annotations

import msgspec

from stocky import clock
from stocky.catalogue.schemas import Item
from stocky.db import Connection
from stocky.lookup.service import Product


class Waiting(msgspec.Struct):
    """The ids of the first and the last stub to look up."""

    first: int
    last: int


async def find_waiting(read: Connection) -> Waiting | None:
    """The stubs not looked up yet; None if there are none, or if a job is queued for them."""
    return await read.one("find_waiting", Waiting)


async def find_next(read: Connection, after: int, *, stubs_only: bool) -> Item | None:
    """The next item above this id to look up: a stub not looked up yet, or any item without data."""
    if stubs_only:
        item_id = await read.value("find_next_stub", after=after)
    else:
        item_id = await read.value("find_next_without_data", after=after)
    return None if item_id is None else await read.one("get_item", Item, id=item_id)


async def find_open_job(read: Connection, kind: str) -> int | None:
    """A queued or running job of this kind."""
    job_id: int | None = await read.value("find_open_job", kind=kind)
    return job_id


async def store_product(tx: Connection, item_id: int, product: Product | None) -> None:
    """Stores the product found, or that there was none. An unnamed stub gets the product's name."""
    if product is None:
        await tx.execute("note_look_up", id=item_id, updated_at=clock.now())
    else:
        await tx.execute(
            "store_product",
            id=item_id,
            name=product.name,
            upc_data=msgspec.json.encode(product.data).decode(),
            updated_at=clock.now(),
        )

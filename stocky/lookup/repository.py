"""Items as far as they are looked up; what a person wrote is never overwritten."""

from __future__ import annotations

import msgspec

from stocky import clock
from stocky.catalogue.schemas import Item
from stocky.db import Connection
from stocky.lookup.service import Product


class Waiting(msgspec.Struct):
    """The first and the last of the stubs that wait to be looked up, by their ids."""

    first: int
    last: int


async def find_waiting(read: Connection) -> Waiting | None:
    """The stubs that nobody has asked about; None when there are none, or when a job is about to."""
    return await read.one("find_waiting", Waiting)


async def find_next(read: Connection, after: int, *, stubs_only: bool) -> Item | None:
    """The next item above this id to ask about: a stub that nobody has asked about, or any that has no data yet."""
    if stubs_only:
        item_id = await read.value("find_next_stub", after=after)
    else:
        item_id = await read.value("find_next_without_data", after=after)
    return None if item_id is None else await read.one("get_item", Item, id=item_id)


async def find_open_job(read: Connection, kind: str) -> int | None:
    """A job of this kind that waits or runs."""
    job_id: int | None = await read.value("find_open_job", kind=kind)
    return job_id


async def keep_product(tx: Connection, item_id: int, product: Product | None) -> None:
    """What was found, or that nothing was. A stub that nobody has named is called what the product is called."""
    if product is None:
        await tx.execute("note_look_up", id=item_id, updated_at=clock.now())
    else:
        await tx.execute(
            "keep_product",
            id=item_id,
            name=product.name,
            upc_data=msgspec.json.encode(product.data).decode(),
            updated_at=clock.now(),
        )

"""The requirements of projects, compared with stock; callers lock the project while they change it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from stocky import clock
from stocky.catalogue.repository import get_items, get_usable_items
from stocky.db import Connection
from stocky.errors import Conflict, NotFound
from stocky.projects.schemas import MAX_REQUIREMENTS, Requirement
from stocky.quantity import from_milli, to_milli
from stocky.shopping.schemas import NewEntry


class RequirementRow(msgspec.Struct):
    """A stored requirement, with the quantity that can be taken from stock: both in the item's main unit."""

    id: int
    item_id: int | None
    text: str | None
    quantity_milli: int
    created_at: datetime
    updated_at: datetime
    in_stock_milli: float

    @property
    def missing_milli(self) -> int:
        return int(max(self.quantity_milli - self.in_stock_milli, 0))


async def list_rows(read: Connection, project_id: int) -> list[RequirementRow]:
    """The requirements of a project, in the order they were added."""
    return await read.all("list_requirements", RequirementRow, project_id=project_id)


async def list_requirements(read: Connection, project_id: int, *, is_withdrawn: bool) -> list[Requirement]:
    """The requirements for a response; nothing is missing once the project is withdrawn."""
    rows = await list_rows(read, project_id)
    items = await get_items(read, {row.item_id for row in rows if row.item_id is not None})
    return [
        Requirement(
            id=row.id,
            item=None if row.item_id is None else items[row.item_id],
            text=row.text,
            quantity=from_milli(row.quantity_milli),
            in_stock=row.in_stock_milli / 1000,
            missing=0 if is_withdrawn else from_milli(row.missing_milli),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


async def get_row(
    read: Connection, project_id: int, *, item_id: int | None = None, entry_id: int | None = None
) -> RequirementRow:
    """The requirement of an item, or the placeholder with the id `entry_id`. Raises NotFound."""
    for row in await list_rows(read, project_id):
        if row.item_id == item_id if item_id is not None else row.text is not None and row.id == entry_id:
            return row
    what = f"placeholder {entry_id}" if item_id is None else f"item with id {item_id}"
    raise NotFound(f"The project {project_id} needs no {what}")


async def add_requirements(tx: Connection, project_id: int, new: list[NewEntry]) -> list[int]:
    """Adds requirements and returns their ids.

    Raises NotFound for an unknown item, Conflict for a duplicate requirement, or too many.
    """
    if len(await list_rows(tx, project_id)) + len(new) > MAX_REQUIREMENTS:
        raise Conflict(f"A project needs at most {MAX_REQUIREMENTS} things; split it")
    await get_usable_items(tx, {each.item_id for each in new if each.item_id is not None})
    return await _add_rows(tx, project_id, new)


async def change_requirement(tx: Connection, row: RequirementRow, change: dict[str, Any]) -> None:
    """Changes `text` or `quantity`. Raises Conflict for a text that the project has already."""
    quantity = change.get("quantity")
    await tx.execute(
        "change_requirement",
        id=row.id,
        text=change.get("text", row.text),
        quantity_milli=row.quantity_milli if quantity is None else to_milli(quantity),
        updated_at=clock.now(),
    )


async def remove_requirement(tx: Connection, row: RequirementRow) -> None:
    """Removes a requirement."""
    await tx.execute("remove_requirement", id=row.id)


async def _add_rows(tx: Connection, project_id: int, new: list[NewEntry]) -> list[int]:
    moment = clock.now()
    ids = []
    for each in new:
        rows = await tx.rows(
            "add_requirement",
            project_id=project_id,
            item_id=each.item_id,
            text=each.text,
            quantity_milli=to_milli(each.quantity),
            created_at=moment,
        )
        ids.append(rows[0][0])
    return ids

"""Moves the documents of a merged item; the picture of an item is always one of its own documents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from stocky.catalogue.schemas import Item
from stocky.db import Connection


async def move_documents(tx: Connection, source: Item, target: Item, moment: datetime) -> list[int]:
    """Moves all documents to the target, and the picture if it has none. Returns the ids of the documents."""
    rows = await tx.all("move_documents", dict[str, Any], source_id=source.id, target_id=target.id, moment=moment)
    ids = sorted(row["id"] for row in rows)
    if source.image_document_id is not None:
        await tx.execute("drop_image", item_id=source.id, ids=[source.image_document_id])
        await tx.execute("move_image", target_id=target.id, document_id=source.image_document_id)
    return ids


async def return_documents(
    tx: Connection, ids: list[int], image_id: int | None, source_id: int, target_id: int, moment: datetime
) -> None:
    """Moves documents that still exist back to the source."""
    if not ids:
        return
    await tx.execute("drop_image", item_id=target_id, ids=ids)
    await tx.execute("return_documents", source_id=source_id, target_id=target_id, ids=ids, moment=moment)
    if image_id is not None:
        await tx.execute("return_image", source_id=source_id, document_id=image_id)

"""Finds documents whose content is missing from the store or has another size; read-only, safe while Stocky serves."""

from __future__ import annotations

from collections.abc import AsyncIterator

from msgspec import Struct

from stocky.config import Config
from stocky.db import Connection, make_database
from stocky.documents.blobs import Blobs
from stocky.stock.consistency import FAULTS, PAGE, Fault


class _Row(Struct):
    id: int
    name: str
    sha256: str
    size_bytes: int


async def find_missing(config: Config) -> list[Fault]:
    """Documents without their content, at most FAULTS. Raises Unavailable."""
    database = make_database(config)
    await database.open()
    try:
        async with database.read() as read:
            return [fault async for fault in _find_missing(read, Blobs(config.blobs))][:FAULTS]
    finally:
        await database.close()


async def _find_missing(read: Connection, blobs: Blobs) -> AsyncIterator[Fault]:
    sizes: dict[bytes, int] | None = None
    after = 0
    while rows := await read.all("list_document_contents", _Row, after=after, limit=PAGE):
        if sizes is None:
            # Lists the whole store once: a check per document would be a request per document.
            sizes = {bytes.fromhex(blob.sha256): blob.size_bytes async for page in blobs.list() for blob in page}
        for row in rows:
            size = sizes.get(bytes.fromhex(row.sha256))
            if size is None:
                yield Fault("documents", f"the content of document {row.id} ({row.name}) is not in the store")
            elif size != row.size_bytes:
                yield Fault(
                    "documents",
                    f"the content of document {row.id} ({row.name}) has {size} bytes in the store,"
                    f" not {row.size_bytes}",
                )
        after = rows[-1].id

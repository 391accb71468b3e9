"""Encodes pages of items from the JSON of each item, which is cached by its version: every change increments that.

Stock changes without a new version, so the total and its unit are read for every page and put in between.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import msgspec

from stocky.catalogue.repository import ItemFilter, find_item_totals, items_by_id, list_item_versions
from stocky.catalogue.schemas import Item
from stocky.db import Connection, Database
from stocky.http.response_cache import Answer

# The size of the cache: about 20,000 items.
CACHED_BYTES = 16 * 2**20
# The approximate overhead of an entry beside its JSON.
BESIDE_JSON = 512

_encoder = msgspec.json.Encoder()


class _Encoded(NamedTuple):
    """An item's JSON without its total and unit: what is before the total, between them, and after the unit."""

    version: int
    before: bytes
    between: bytes
    after: bytes


class ItemPages:
    """The cached items of one process; used by the threads of several connections."""

    def __init__(self, database: Database) -> None:
        self._cached: dict[int, _Encoded] = {}
        self.size_bytes = 0
        self._storing = threading.Lock()
        database.gate.on_data_replaced(self._clear)

    async def encode_page(self, tx: Connection, wanted: ItemFilter, skip: int, limit: int, order: str) -> Answer:
        """A page of items as a JSON list, in this order or that in which they were added. Raises Invalid."""
        versions = await list_item_versions(tx, wanted, skip=skip, limit=limit, order=order)
        if not versions:
            return Answer(msgspec.Raw(b"[]"))
        page: dict[int, _Encoded | None] = {}
        for id, version in versions:
            known = self._cached.get(id)
            page[id] = known if known is not None and known.version == version else None
        missing = [id for id, known in page.items() if known is None]
        if missing:
            # Of the same snapshot as their versions.
            page |= {id: self._store(item) for id, item in (await items_by_id(tx, missing)).items()}
        totals = await find_item_totals(tx, list(page))
        parts: list[bytes] = []
        for id, encoded in page.items():
            assert encoded is not None
            total_quantity, unit = totals[id]
            parts += (
                b",", encoded.before, _encoder.encode(total_quantity),
                encoded.between, _encoder.encode(unit), encoded.after,
            )  # fmt: skip
        parts[0] = b"["
        parts.append(b"]")
        return Answer(msgspec.Raw(b"".join(parts)), len(page))

    def _store(self, item: Item) -> _Encoded:
        encoded = _split(item)
        size = len(encoded.before) + len(encoded.after) + BESIDE_JSON
        with self._storing:
            if self.size_bytes + size > CACHED_BYTES:
                self._clear()
            # An entry that is replaced stays in the sum, which only clears the cache earlier.
            self._cached[item.id] = encoded
            self.size_bytes += size
        return encoded

    def _clear(self) -> None:
        self._cached.clear()
        self.size_bytes = 0


def _split(item: Item) -> _Encoded:
    """The JSON of an item, split at its total and its unit.

    The last of each name is the item's own: what follows them holds no text of users.
    """
    text = _encoder.encode(msgspec.structs.replace(item, total_quantity=0, unit=None))
    before, name, rest = text.rpartition(b'"total_quantity":')
    between, unit, after = rest.removeprefix(b"0").rpartition(b'"unit":null')
    return _Encoded(item.version, before + name, between + unit.removesuffix(b"null"), after)

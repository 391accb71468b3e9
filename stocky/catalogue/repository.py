"""Items and their barcodes in the database; every change of an item increments its version.

A barcode, in whatever form of its number, belongs to one item.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, field

from stocky import clock
from stocky.alerts.evaluate import evaluate_alerts
from stocky.alerts.schemas import AlertCause
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import normalize_barcode
from stocky.barcodes.reader import read_code
from stocky.catalogue.containing import find_fragment
from stocky.catalogue.part_repository import name_key, set_item_tags
from stocky.catalogue.schemas import Barcode, Item, ItemChange, NewItem, Upc, new_code
from stocky.db import Connection
from stocky.errors import Conflict, Invalid, NotFound, Stale, Unavailable
from stocky.http.validation_messages import describe_error
from stocky.logs import audit
from stocky.quantity import to_milli
from stocky.schema import OversellPolicy, StorageType, or_current

T = TypeVar("T")
CODE_ATTEMPTS = 100
# The fields that alerts depend on or contain.
_ALERT_FIELDS = {"name", "default_storage_type", "min_quantity", "is_active"}


async def get_item(read: Connection, item_id: int) -> Item:
    """Raises NotFound."""
    item = await read.one("get_item", Item, id=item_id)
    if item is None:
        raise NotFound(f"There is no item with id {item_id}")
    return item


async def get_items(read: Connection, item_ids: set[int]) -> dict[int, Item]:
    """Items by their ids; missing ones are left out."""
    return await read.run(items_by_id, item_ids) if item_ids else {}


async def lock_items(tx: Connection, item_ids: set[int]) -> None:
    """Locks items, and list entries about them, until the transaction ends."""
    await tx.all("lock_items", dict[str, Any], ids=sorted(item_ids))


async def get_usable_item(tx: Connection, item_id: int) -> Item:
    """One active item, locked until the transaction ends. Raises NotFound, Conflict."""
    return (await get_usable_items(tx, {item_id}))[item_id]


async def get_usable_items(tx: Connection, item_ids: set[int]) -> dict[int, Item]:
    """Active items by their ids, locked until the transaction ends. Raises NotFound, Conflict."""
    await lock_items(tx, item_ids)
    items = await get_items(tx, item_ids)
    for item_id in sorted(item_ids):
        if item_id not in items:
            raise NotFound(f"There is no item with id {item_id}")
        if not items[item_id].is_active:
            raise Conflict(f"{items[item_id].name} is no longer in use; make it active again first", field="item_id")
    return items


async def get_item_by_code(read: Connection, code: str) -> Item:
    """The item with a four-letter code, in any case. Raises NotFound."""
    item = await read.one("find_item_by_code", Item, code=code.upper())
    if item is None:
        raise NotFound(f"There is no item with code {code}")
    return item


async def get_item_by_barcode(read: Connection, barcode: str) -> Item:
    """The item with a barcode, in any form of its number, or a GS1 code. Raises NotFound, Invalid."""
    scanned = await read_code(barcode)
    if scanned.problem is not None:
        raise Invalid(scanned.problem, field="upc")
    item = await read.one("find_item_by_barcode", Item, code=scanned.text, code_key=scanned.key)
    if item is None:
        raise NotFound(f"There is no item with barcode {barcode}")
    return item


class ItemFilter(Struct, frozen=True):
    """Which items a list has: those with ids above `after` that match every filter that is set."""

    search: str | None = None
    storage_type: StorageType | None = None
    is_active: bool = True
    needs_review: bool | None = None
    type_id: int | None = None
    tag: str | None = None
    after: int = 0
    cause: AlertCause | None = None


async def list_item_versions(tx: Connection, wanted: ItemFilter, *, skip: int, limit: int) -> Sequence[tuple[int, int]]:
    """The id and version of items in the order they were added."""
    filters = {
        "skip": skip,
        "limit": limit,
        "after": wanted.after,
        "storage_type": wanted.storage_type,
        "is_active": wanted.is_active,
        "needs_review": wanted.needs_review,
        "type_id": wanted.type_id,
        "tag_key": None if wanted.tag is None else name_key(wanted.tag),
    }
    pattern = like_pattern(wanted.search)
    if wanted.cause is not None:
        return await tx.rows("list_item_versions_with_cause", **filters, alert_type=wanted.cause.value, pattern=pattern)
    if pattern is None:
        return await tx.rows("list_item_versions", **filters)
    await tx.rows("plan_for_values")
    fragment = await find_fragment(tx, wanted.search)
    return await tx.rows("list_item_versions_containing", **filters, pattern=pattern, fragment=fragment)


async def find_item_totals(tx: Connection, ids: list[int]) -> dict[int, tuple[float, str | None]]:
    """The total stock of items and its unit, by their ids."""
    rows = await tx.rows("list_item_totals", ids=ids)
    return {id: (total_quantity, unit) for id, total_quantity, unit in rows}


async def list_items(tx: Connection, wanted: ItemFilter, *, skip: int, limit: int) -> list[Item]:
    """Items in the order they were added."""
    rows = await list_item_versions(tx, wanted, skip=skip, limit=limit)
    return list((await items_by_id(tx, [row[0] for row in rows])).values())


async def add_item(tx: Connection, new: NewItem, by: Principal, *, code: str | None = None) -> Item:
    """Adds an item with its code (by default a new one), barcodes and tags.

    Raises Conflict for a code or barcode that another item has, Invalid for a missing type.
    """
    await _check_type(tx, new.type_id)
    item_id = await _add_item_row(
        tx,
        code,
        name=new.name,
        description=new.description or "",
        default_storage_type=new.default_storage_type,
        min_quantity_milli=None if new.min_quantity is None else to_milli(new.min_quantity),
        oversell_policy=new.oversell_policy,
        needs_review=False,
        manufacturer_code=new.manufacturer_code or "",
        type_id=new.type_id,
        seller=new.seller or "",
        seller_link=new.seller_link or "",
    )
    await _add_barcodes(tx, item_id, new.upc, new.barcodes)
    await set_item_tags(tx, item_id, new.tags)
    if new.min_quantity is not None:
        await evaluate_alerts(tx, [item_id])
    await audit.record(tx, by, "created", "item", item_id, {"name": new.name})
    return await get_item(tx, item_id)


async def change_item(
    tx: Connection, item_id: int, change: ItemChange, by: Principal, *, if_version: int | None = None
) -> Item:
    """Applies `change`. Naming a stub ends its review, and its permission to go negative.

    Raises NotFound, Stale if `if_version` is not its version, Invalid for a missing type or picture, and Conflict
    for a barcode of another item, for a merged item, or for deactivating an item that still holds stock.
    """
    await lock_items(tx, {item_id})
    item = await get_item(tx, item_id)
    if if_version is not None and if_version != item.version:
        raise Stale(f"The item was changed since you read it (version {item.version} now); read it again and repeat")
    if item.merged_into_id is not None:
        raise Conflict(f"{item.name} was merged into item {item.merged_into_id}; change that one, or undo the merge")
    is_active = or_current(change.is_active, item.is_active)
    if item.is_active and not is_active:
        await _check_without_stock(tx, item)
    is_named = item.needs_review and change.name is not UNSET and change.needs_review is UNSET
    policy = OversellPolicy.REJECT if is_named else item.oversell_policy
    min_quantity = or_current(change.min_quantity, item.min_quantity)
    if isinstance(change.type_id, int):
        await _check_type(tx, change.type_id)
    await tx.execute(
        "change_item",
        id=item_id,
        name=or_current(change.name, item.name),
        description=or_current(change.description, item.description) or "",
        default_storage_type=or_current(change.default_storage_type, item.default_storage_type),
        min_quantity_milli=None if min_quantity is None else to_milli(min_quantity),
        oversell_policy=or_current(change.oversell_policy, policy),
        needs_review=or_current(change.needs_review, item.needs_review and not is_named),
        manufacturer_code=or_current(change.manufacturer_code, item.manufacturer_code) or "",
        type_id=or_current(change.type_id, item.type_id),
        seller=or_current(change.seller, item.seller) or "",
        seller_link=or_current(change.seller_link, item.seller_link) or "",
        is_active=is_active,
        updated_at=clock.now(),
    )
    if change.image_document_id is not UNSET:
        await _set_image(tx, item_id, change.image_document_id)
    if change.upc is not UNSET or change.barcodes is not UNSET:
        await _change_barcodes(tx, item, change)
    if change.tags is not UNSET:
        await tx.execute("remove_item_tags", item_id=item_id)
        await set_item_tags(tx, item_id, change.tags)
    details = {name: value for name, value in msgspec.to_builtins(change).items() if value is not UNSET}
    if details.keys() & _ALERT_FIELDS:
        await evaluate_alerts(tx, [item_id])
    await audit.record(tx, by, "changed", "item", item_id, details)
    return await get_item(tx, item_id)


async def remove_item(tx: Connection, item_id: int, by: Principal) -> None:
    """Hides an item. Raises NotFound, Conflict while it holds stock."""
    item = await get_item(tx, item_id)
    if item.is_active:
        await change_item(tx, item_id, ItemChange(is_active=False), by)


async def add_item_barcode(tx: Connection, item_id: int, barcode: Barcode, by: Principal) -> Item:
    """Adds a barcode to an item. Raises NotFound, Conflict if an item has it."""
    await lock_items(tx, {item_id})
    item = await get_item(tx, item_id)
    return await change_item(tx, item_id, ItemChange(barcodes=[*item.barcodes, barcode]), by)


async def remove_item_barcode(tx: Connection, item_id: int, barcode: str, by: Principal) -> Item:
    """Removes a barcode, in any form of its number. Raises NotFound if the item does not have it."""
    await lock_items(tx, {item_id})
    item = await get_item(tx, item_id)
    left = _without_barcode(item.barcodes, barcode)
    if len(left) == len(item.barcodes):
        raise NotFound(f"The item {item.name} has no barcode {barcode}")
    return await change_item(tx, item_id, ItemChange(barcodes=left), by)


async def add_stub(tx: Connection, barcode: str) -> int | None:
    """Adds an item for an unknown barcode and returns its id, or None if another process has just added one.

    Its stock may go negative until it is named, so that a scan that removes from an unknown item is booked.
    """
    item_id = await _add_item_row(
        tx,
        name=f"Unknown {barcode}"[:200],
        description="",
        default_storage_type=StorageType.OTHER,
        min_quantity_milli=None,
        oversell_policy=OversellPolicy.ALLOW,
        needs_review=True,
        manufacturer_code="",
        type_id=None,
        seller="",
        seller_link="",
    )
    if await tx.rows("claim_barcode", code=barcode, code_key=normalize_barcode(barcode), item_id=item_id):
        return item_id
    await remove_stub(tx, item_id)
    return None


async def remove_stub(tx: Connection, item_id: int) -> None:
    """Removes what `add_stub` added in the same transaction."""
    await tx.execute("remove_barcodes", item_id=item_id)
    await tx.execute("remove_stub", item_id=item_id)


def like_pattern(text: str | None) -> str | None:
    r"""A LIKE pattern (ESCAPE '\') for text that contains `text`, in lower case; None for a blank `text`."""
    if not text or not text.strip():
        return None
    escaped = text.strip().lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


class ItemRow(Item, kw_only=True, gc=False):
    """An item whose barcodes and tags are not read yet."""

    upc: str | None = None
    barcodes: list[Barcode] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


class _BarcodeRow(Struct, gc=False):
    item_id: int
    code: str
    pack_quantity: float
    is_primary: bool


class _TagRow(Struct, gc=False):
    item_id: int
    name: str


async def items_by_id(tx: Connection, ids: Iterable[int]) -> dict[int, Item]:
    """Items by their ids; missing ones are left out."""
    wanted = sorted(set(ids))
    rows: list[ItemRow] = await tx.all("list_items_by_id", ItemRow, ids=wanted)
    return {item.id: item for item in (await whole_items(tx, rows))}


async def whole_items(tx: Connection, rows: Sequence[ItemRow]) -> list[Item]:
    """The items of these rows with their barcodes and tags, in the same order."""
    if not rows:
        return []
    by_id = {row.id: row for row in rows}
    wanted = {"ids": list(by_id)}
    barcodes: list[_BarcodeRow] = await tx.all("list_barcodes_of", _BarcodeRow, **wanted)
    for each in barcodes:
        item = by_id[each.item_id]
        item.barcodes.append(Barcode(each.code, each.pack_quantity))
        if each.is_primary:
            item.upc = each.code
    tags: list[_TagRow] = await tx.all("list_tags_of", _TagRow, **wanted)
    for tag in tags:
        by_id[tag.item_id].tags.append(tag.name)
    return list(rows)


async def _add_barcodes(tx: Connection, item_id: int, upc: str | None, barcodes: list[Barcode]) -> None:
    """Adds barcodes to an item that has none, `upc` first. Raises Conflict for a repeated one or another item's."""
    for each in _in_order(upc, barcodes):
        key = normalize_barcode(each.barcode)
        added = await tx.value(
            "add_barcode",
            code=each.barcode,
            code_key=key,
            item_id=item_id,
            pack_milli=to_milli(each.pack_quantity),
            is_primary=each.barcode == upc,
        )
        if added is None:
            owner = await tx.one("find_item_by_barcode", Item, code=each.barcode, code_key=key)
            name = "another item" if owner is None else f"{owner.name} ({owner.code})"
            field = "upc" if each.barcode == upc else "barcodes"
            raise Conflict(f"The barcode {each.barcode} already belongs to {name}", field=field)


async def _change_barcodes(tx: Connection, item: Item, change: ItemChange) -> None:
    """Applies the barcodes and the `upc` of `change`.

    Raises Conflict as `add_barcodes` does, Invalid for a new `upc` that is not one.
    """
    if isinstance(change.upc, str) and all(each.barcode != change.upc for each in item.barcodes):
        _check_upc(change.upc)
    upc = item.upc if change.upc is UNSET else change.upc
    barcodes = item.barcodes if change.barcodes is UNSET else change.barcodes
    if change.barcodes is UNSET:
        barcodes = [each for each in barcodes if each.barcode != item.upc or _same(each.barcode, upc)]
    elif change.upc is UNSET:
        candidates = [each for each in barcodes if _same(each.barcode, upc)] or barcodes
        upc = candidates[0].barcode if candidates else None
    if (upc, barcodes) == (item.upc, item.barcodes):
        return
    await tx.execute("remove_barcodes", item_id=item.id)
    await _add_barcodes(tx, item.id, upc, barcodes)


def _without_barcode(barcodes: list[Barcode], barcode: str) -> list[Barcode]:
    """The barcodes without this one: an exact match of its text, or else of its number."""
    if any(each.barcode == barcode for each in barcodes):
        return [each for each in barcodes if each.barcode != barcode]
    return [each for each in barcodes if not _same(each.barcode, barcode)]


async def _add_item_row(tx: Connection, code: str | None = None, **columns: Any) -> int:
    for _ in range(CODE_ATTEMPTS if code is None else 1):
        rows = await tx.rows("add_item", **columns, code=code or new_code(), created_at=clock.now())
        if rows:
            item_id: int = rows[0][0]
            return item_id
    if code is not None:
        raise Conflict.of("item__code")
    raise Unavailable("No free item code was found; try again")


async def _check_type(tx: Connection, type_id: int | None) -> None:
    if type_id is not None and await tx.value("has_item_type", id=type_id) is None:
        raise Invalid(f"There is no item type with id {type_id}; GET /types lists them", field="type_id")


async def _set_image(tx: Connection, item_id: int, document_id: int | None) -> None:
    if document_id is not None and await tx.value("lock_image", item_id=item_id, document_id=document_id) is None:
        raise Invalid(
            f"image_document_id: document {document_id} is not a picture of this item;"
            f" GET /api/v1/items/{item_id}/documents lists them",
            field="image_document_id",
        )
    await tx.execute("set_item_image", item_id=item_id, document_id=document_id)


async def _check_without_stock(tx: Connection, item: Item) -> None:
    if await tx.value("item_holds_stock", item_id=item.id) is not None:
        raise Conflict(f"{item.name} still holds stock; take it out or write it off first")


def _check_upc(text: str) -> None:
    try:
        msgspec.convert(text, Upc)
    except msgspec.ValidationError as error:
        raise Invalid(f"upc: {describe_error(error, Upc)}", field="upc") from None


def _in_order(upc: str | None, barcodes: list[Barcode]) -> list[Barcode]:
    """All barcodes of an item, its `upc` first and in that form."""
    if len({normalize_barcode(each.barcode) for each in barcodes}) < len(barcodes):
        raise Conflict("A barcode is listed twice, perhaps in two forms; list each one once", field="barcodes")
    if upc is None:
        return barcodes
    same = next((each for each in barcodes if _same(each.barcode, upc)), None)
    first = Barcode(upc) if same is None else Barcode(upc, same.pack_quantity)
    return [first, *(each for each in barcodes if each is not same)]


def _same(barcode: str, other: str | None) -> bool:
    return other is not None and normalize_barcode(barcode) == normalize_barcode(other)

"""Items and their barcodes in the database; every change of an item increments its version.

A barcode, in whatever form of its number, belongs to one item.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import date
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Struct, field

from stocky import clock
from stocky.alerts.evaluate import evaluate_alerts, expiry_days
from stocky.alerts.schemas import AlertCause
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import clean, normalize_barcode
from stocky.barcodes.command_codes import NOT_A_BARCODE, describe_refusal
from stocky.barcodes.measures import item_number
from stocky.barcodes.reader import Rules, read_code
from stocky.catalogue.containing import find_fragment
from stocky.catalogue.field_repository import change_values, find_ranges, set_values
from stocky.catalogue.finding import find_items
from stocky.catalogue.part_repository import set_item_tags
from stocky.catalogue.schemas import Barcode, Item, ItemChange, NewItem, Upc, new_code
from stocky.db import Connection
from stocky.errors import Conflict, Invalid, NotFound, Stale, Unavailable
from stocky.http.validation_messages import describe_error
from stocky.logs import audit
from stocky.names import name_key
from stocky.quantity import to_milli
from stocky.schema import OversellPolicy, StorageType, is_empty, or_current
from stocky.settings.measure_rules import rules_for
from stocky.settings.repository import get_settings

T = TypeVar("T")
CODE_ATTEMPTS = 100
# A form that is sent again is found among so many items of its sender.
_LAST_ADDED = 20
# What the name of an item begins with that a scan of an unknown barcode created.
UNNAMED = "Unknown "
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
    item = await read.one("find_item_by_code", Item, code=clean(code).upper())
    if item is None:
        raise NotFound(f"There is no item with code {code}")
    return item


async def get_item_by_barcode(read: Connection, barcode: str) -> Item:
    """The item of a scanned text: a barcode in any form, a GS1 code, a bag or a code. Raises NotFound, Invalid."""
    scanned = await read_code(barcode, await rules_for(read, [barcode]))
    if scanned.problem is not None:
        raise Invalid(scanned.problem, field="upc")
    found = (await find_items(read, [scanned])).find(scanned)
    if found is None:
        raise NotFound(f"There is no item with barcode {barcode}")
    return await get_item(read, found[0])


class ItemFilter(Struct, frozen=True):
    """Which items a list has: those with ids above `after` that match every filter that is set.

    A list of what expires (see `is_by_expiry`) has those after the SKU `after` that expires on `after_day`.
    """

    search: str | None = None
    storage_type: StorageType | None = None
    is_active: bool = True
    needs_review: bool | None = None
    type_id: int | None = None
    tag: str | None = None
    after: int = 0
    after_day: date | None = None
    cause: AlertCause | None = None
    location_id: int | None = None
    within: int | None = None
    # The names and the texts of filters by custom fields.
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def is_by_expiry(self) -> bool:
        """Whether the list has what expires, the earliest date first."""
        return self.cause in (AlertCause.EXPIRED, AlertCause.EXPIRING)


class ExpiringItem(Struct, frozen=True):
    """An item, and of its SKUs the one that makes it expired or expiring: the first of them."""

    id: int
    version: int
    sku_id: int
    expiry_date: date


async def list_item_versions(
    tx: Connection, wanted: ItemFilter, *, skip: int, limit: int, order: str = ""
) -> Sequence[tuple[int, int]]:
    """The id and version of items, in this order or that in which they were added.

    Raises Invalid for an order that the list does not have, and for a filter by a field that there is not.
    """
    if wanted.is_by_expiry:
        return [(each.id, each.version) for each in await list_by_expiry(tx, wanted, skip=skip, limit=limit)]
    page = {"skip": skip, "limit": limit, **await _arguments(tx, wanted)}
    pattern = like_pattern(wanted.search)
    if wanted.cause is not None:
        return await tx.rows("list_item_versions_with_cause", **page, alert_type=wanted.cause.value, pattern=pattern)
    if pattern is None:
        return await tx.sorted_rows("list_item_versions", order, **page)
    await tx.rows("plan_for_values")
    fragment = await find_fragment(tx, wanted.search)
    return await tx.sorted_rows("list_item_versions_containing", order, **page, pattern=pattern, fragment=fragment)


async def list_by_expiry(tx: Connection, wanted: ItemFilter, *, skip: int, limit: int) -> list[ExpiringItem]:
    """The items of a filter that is by expiry, by the date of today: the earliest date first."""
    assert wanted.cause is not None
    first, last = expiry_days(wanted.cause, (await get_settings(tx)).expiring_soon_days)
    arguments = await _arguments(tx, wanted)
    from_day = max(first, wanted.after_day or first)
    if from_day != wanted.after_day:
        arguments["after"] = 0
    return await tx.all(
        "list_item_versions_by_expiry",
        ExpiringItem,
        **arguments,
        first_day=first,
        from_day=from_day,
        last_day=last,
        pattern=like_pattern(wanted.search),
        skip=skip,
        limit=limit,
    )


async def count_items(tx: Connection, wanted: ItemFilter) -> int:
    """The number of items that a list has, without its text and cause."""
    if wanted == ItemFilter():
        in_use: int = await tx.value("count_items_in_use")
        return in_use
    return await tx.count_rows("list_item_versions", **await _arguments(tx, wanted))


async def _arguments(tx: Connection, wanted: ItemFilter) -> dict[str, Any]:
    return {
        "after": wanted.after,
        "storage_type": wanted.storage_type,
        "is_active": wanted.is_active,
        "needs_review": wanted.needs_review,
        "type_id": wanted.type_id,
        "tag_key": None if wanted.tag is None else name_key(wanted.tag),
        "location_id": wanted.location_id,
        "within": wanted.within,
        "field_ranges": await find_ranges(tx, wanted.fields, wanted.type_id) if wanted.fields else None,
        "field_count": len(wanted.fields),
    }


async def find_item_totals(tx: Connection, ids: list[int]) -> dict[int, tuple[float, str | None]]:
    """The total stock of items and its unit, by their ids."""
    rows = await tx.rows("list_item_totals", ids=ids)
    return {id: (total_quantity, unit) for id, total_quantity, unit in rows}


async def list_items(tx: Connection, wanted: ItemFilter, *, skip: int, limit: int) -> list[Item]:
    """Items in the order they were added."""
    rows = await list_item_versions(tx, wanted, skip=skip, limit=limit)
    return list((await items_by_id(tx, [row[0] for row in rows])).values())


async def add_item(
    tx: Connection, new: NewItem, by: Principal, *, code: str | None = None, event_id: str | None = None
) -> Item:
    """Adds an item with its code (by default a new one), barcodes, tags and the values of its fields.

    An `event_id` is in its audit entry, where `find_item_added_with` finds it.

    Raises Conflict for a code or barcode that another item has, Invalid for a missing type or a value that does not fit
    its field.
    """
    await _check_type(tx, new.type_id)
    rules = await rules_for(tx, filter(None, [new.upc, *(each.barcode for each in new.barcodes)]))
    upc = None if new.upc is None else _cleaned(new.upc, "upc", rules)
    item_id = await add_item_row(
        tx,
        code,
        name=new.name,
        description=new.description or "",
        default_storage_type=new.default_storage_type,
        min_quantity_milli=None if new.min_quantity is None else to_milli(new.min_quantity),
        reorder_quantity_milli=None if new.reorder_quantity is None else to_milli(new.reorder_quantity),
        shelf_life_days=new.shelf_life_days,
        opened_days=new.opened_days,
        oversell_policy=new.oversell_policy,
        needs_review=False,
        manufacturer_code=new.manufacturer_code or "",
        type_id=new.type_id,
        seller=new.seller or "",
        seller_link=new.seller_link or "",
    )
    await _add_barcodes(tx, item_id, upc, _cleaned_all(new.barcodes, rules), {})
    await set_item_tags(tx, item_id, new.tags)
    await set_values(tx, item_id, new.type_id, new.fields)
    if new.min_quantity is not None:
        await evaluate_alerts(tx, [item_id])
    details = {"name": new.name} if event_id is None else {"name": new.name, "event_id": event_id}
    await audit.record(tx, by, "created", "item", item_id, details)
    return await get_item(tx, item_id)


async def find_item_added_with(tx: Connection, event_id: str, by: Principal) -> Item | None:
    """The item that `by` added with an `event_id`, among the last ones; None if there is none."""
    wanted = audit.AuditFilter(by.id, "created", "item")
    for entry in await audit.list_audit_entries(tx, wanted, skip=0, limit=_LAST_ADDED):
        if entry.details.get("event_id") == event_id:
            return await get_item(tx, int(entry.subject_id or 0))
    return None


async def change_item(
    tx: Connection, item_id: int, change: ItemChange, by: Principal, *, if_versions: Collection[int] | None = None
) -> Item:
    """Applies `change`. Naming a stub ends its review, and its permission to go negative.

    Raises NotFound, Stale if its version is not in `if_versions`, Invalid for a missing type or picture or a value that
    does not fit its field, and Conflict for a barcode of another item, for a merged item, or for deactivating an item
    that still holds stock.
    """
    await lock_items(tx, {item_id})
    item = await get_item(tx, item_id)
    if if_versions is not None and item.version not in if_versions:
        raise Stale(f"The item was changed since you read it (version {item.version} now); read it again and repeat")
    if item.merged_into_id is not None:
        raise Conflict(f"{item.name} was merged into item {item.merged_into_id}; change that one, or undo the merge")
    if is_empty(change):
        return item
    is_active = or_current(change.is_active, item.is_active)
    if item.is_active and not is_active:
        await _check_without_stock(tx, item)
    is_named = item.needs_review and change.name is not UNSET and change.needs_review is UNSET
    # An item that was hidden and scanned again is in the review too; its policy was set by a person and stays.
    was_stub = item.oversell_policy is OversellPolicy.ALLOW and is_unnamed(item)
    policy = OversellPolicy.REJECT if is_named and was_stub else item.oversell_policy
    min_quantity = or_current(change.min_quantity, item.min_quantity)
    reorder_quantity = or_current(change.reorder_quantity, item.reorder_quantity)
    if isinstance(change.type_id, int):
        await _check_type(tx, change.type_id)
    type_id = or_current(change.type_id, item.type_id)
    await tx.execute(
        "change_item",
        id=item_id,
        name=or_current(change.name, item.name),
        description=or_current(change.description, item.description) or "",
        default_storage_type=or_current(change.default_storage_type, item.default_storage_type),
        min_quantity_milli=None if min_quantity is None else to_milli(min_quantity),
        reorder_quantity_milli=None if reorder_quantity is None else to_milli(reorder_quantity),
        shelf_life_days=or_current(change.shelf_life_days, item.shelf_life_days),
        opened_days=or_current(change.opened_days, item.opened_days),
        oversell_policy=or_current(change.oversell_policy, policy),
        needs_review=or_current(change.needs_review, item.needs_review and not is_named),
        manufacturer_code=or_current(change.manufacturer_code, item.manufacturer_code) or "",
        type_id=type_id,
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
    if hidden := await change_values(tx, item, type_id, or_current(change.fields, {})):
        details["hidden_fields"] = hidden
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
    if len(left) == len(item.barcodes) and (number := item_number(barcode, await rules_for(tx, [barcode]))):
        left = _without_barcode(item.barcodes, number)
    if len(left) == len(item.barcodes):
        raise NotFound(f"The item {item.name} has no barcode {barcode}")
    return await change_item(tx, item_id, ItemChange(barcodes=left), by)


def is_unnamed(item: Item) -> bool:
    """Whether the item has the name that a scan gave it: of an unknown barcode, or of the part number on a bag.

    An item that a person named like its barcode has neither maker's part number nor seller of a bag.
    """
    if item.name.startswith(UNNAMED):
        return True
    is_of_bag = item.manufacturer_code == item.name or bool(item.seller)
    return is_of_bag and any(item.name == each.barcode for each in item.barcodes)


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


class _Keys(NamedTuple):
    """The key of a barcode, and the one that another barcode has instead of it."""

    own: str
    shared: str | None


async def _add_barcodes(
    tx: Connection, item_id: int, upc: str | None, barcodes: list[Barcode], shared: Mapping[str, _Keys]
) -> None:
    """Adds barcodes to an item that has none, `upc` first, those of `shared` with these keys.

    Raises Conflict for a repeated one or another item's.
    """
    for each in _in_order(upc, barcodes, shared):
        key, shared_key = shared.get(each.barcode) or _Keys(normalize_barcode(each.barcode), None)
        added = await tx.value(
            "add_barcode",
            code=each.barcode,
            code_key=key,
            shared_key=shared_key,
            item_id=item_id,
            pack_milli=to_milli(each.pack_quantity),
            is_primary=each.barcode == upc,
        )
        if added is None:
            owner = await tx.one("find_item_by_barcode", Item, code=each.barcode, code_key=key)
            name = "another item" if owner is None else f"{owner.name} ({owner.code})"
            field = "upc" if each.barcode == upc else "barcodes"
            raise Conflict(f"The barcode {each.barcode} already belongs to {name}", field=field, kind="already-exists")


async def _change_barcodes(tx: Connection, item: Item, change: ItemChange) -> None:
    """Applies the barcodes and the `upc` of `change`. An old barcode that shares its number with another may stay.

    Raises Conflict as `_add_barcodes` does, Invalid for a new `upc` that is not one.
    """
    stored = {each.barcode for each in item.barcodes}
    given = [] if change.barcodes is UNSET else [each.barcode for each in change.barcodes]
    rules = await rules_for(tx, [*given, change.upc] if isinstance(change.upc, str) else given)
    upc = item.upc if change.upc is UNSET else change.upc
    if upc is not None and upc not in stored:
        upc = _cleaned(upc, "upc", rules)
        if upc not in stored:
            check_upc(upc)
    barcodes = item.barcodes if change.barcodes is UNSET else _cleaned_all(change.barcodes, rules, stored)
    if change.barcodes is UNSET:
        barcodes = [each for each in barcodes if each.barcode != item.upc or _same(each.barcode, upc)]
    elif change.upc is UNSET:
        candidates = [*filter(None, [_find_form(barcodes, upc)]), *barcodes]
        upc = candidates[0].barcode if candidates else None
    if (upc, barcodes) == (item.upc, item.barcodes):
        return
    rows = await tx.rows("list_shared_barcodes", item_id=item.id)
    await tx.execute("remove_barcodes", item_id=item.id)
    await _add_barcodes(tx, item.id, upc, barcodes, {code: _Keys(*keys) for code, *keys in rows})
    await tx.execute("free_shared_keys")


def _without_barcode(barcodes: list[Barcode], barcode: str) -> list[Barcode]:
    """The barcodes without this one: an exact match of its text, or else of its number."""
    if any(each.barcode == barcode for each in barcodes):
        return [each for each in barcodes if each.barcode != barcode]
    return [each for each in barcodes if not _same(each.barcode, barcode)]


async def add_item_row(tx: Connection, code: str | None = None, **columns: Any) -> int:
    """Adds the row of an item, with a new code if none is given, and returns its id. Raises Conflict, Unavailable."""
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
        raise Conflict(f"{item.name} still holds stock; take it out or write it off first", kind="in-use")


def _cleaned_all(barcodes: list[Barcode], rules: Rules, stored: Set[str] = frozenset()) -> list[Barcode]:
    """The barcodes as they are stored; those that the item has already keep their text."""
    return [
        each if each.barcode in stored else Barcode(_cleaned(each.barcode, "barcodes", rules), each.pack_quantity)
        for each in barcodes
    ]


def _cleaned(barcode: str, field: str, rules: Rules) -> str:
    """A barcode without what its scanner put around it, and without a measure that the rules read in it.

    Raises Invalid if nothing is left, or for a command.
    """
    if (refusal := describe_refusal(barcode)) is not None:
        if refusal == NOT_A_BARCODE:
            refusal = "A command for a scanner cannot be a barcode; scan the item's own barcode"
        raise Invalid(refusal, field=field)
    code = clean(barcode)
    if not code:
        raise Invalid("The barcode is blank; check what the scanner reads", field=field)
    return item_number(code, rules) or code


def check_upc(text: str) -> None:
    """Raises Invalid for a new `upc` that has too many or too few characters, or blanks within."""
    try:
        msgspec.convert(clean(text), Upc)
    except msgspec.ValidationError as error:
        raise Invalid(f"upc: {describe_error(error, Upc)}", field="upc") from None


def _in_order(upc: str | None, barcodes: list[Barcode], shared: Mapping[str, _Keys]) -> list[Barcode]:
    """All barcodes of an item, its `upc` first and in that form."""
    texts = [each.barcode for each in barcodes]
    numbers = [normalize_barcode(text) for text in texts if text not in shared]
    if len(set(texts)) < len(texts) or len(set(numbers)) < len(numbers):
        raise Conflict("A barcode is listed twice, perhaps in two forms; list each one once", field="barcodes")
    if upc is None:
        return barcodes
    forms = barcodes if upc in shared else [each for each in barcodes if each.barcode not in shared]
    same = _find_form(forms, upc)
    first = Barcode(upc) if same is None else Barcode(upc, same.pack_quantity)
    return [first, *(each for each in barcodes if each is not same)]


def _find_form(barcodes: list[Barcode], wanted: str | None) -> Barcode | None:
    """The barcode with this text, or else the first of the same number."""
    forms = [each for each in barcodes if _same(each.barcode, wanted)]
    return next((each for each in forms if each.barcode == wanted), next(iter(forms), None))


def _same(barcode: str, other: str | None) -> bool:
    return other is not None and normalize_barcode(barcode) == normalize_barcode(other)

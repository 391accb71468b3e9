"""Stubs: the items that scans of unknown barcodes make, until a person names them; each has the barcode of its scan."""

from __future__ import annotations

from stocky.auth.schemas import Principal
from stocky.barcodes.codes import ScannedCode, normalize_barcode
from stocky.catalogue.repository import UNNAMED, add_item_row, lock_items, remove_item
from stocky.db import Connection
from stocky.schema import OversellPolicy, StorageType


async def add_stub(tx: Connection, scanned: ScannedCode) -> int | None:
    """Adds an item for an unknown barcode and returns its id, or None if another process has just added one.

    Its stock may go negative until it is named, so that a scan that removes from an unknown item is booked. The stub of
    a bag has the name, the part numbers and the seller that the bag says; one without a part number and a seller is
    named like any unknown barcode, by which `is_unnamed` knows it.
    """
    bag = scanned.bag
    item_id = await add_item_row(
        tx,
        name=(bag.name if bag is not None and (bag.maker_part or bag.seller) else f"{UNNAMED}{scanned.code}")[:200],
        description="",
        default_storage_type=StorageType.OTHER,
        min_quantity_milli=None,
        reorder_quantity_milli=None,
        shelf_life_days=None,
        opened_days=None,
        oversell_policy=OversellPolicy.ALLOW,
        needs_review=True,
        manufacturer_code=(bag and bag.maker_part) or "",
        type_id=None,
        seller=bag.seller if bag else "",
        seller_link="",
    )
    if not await tx.rows("claim_barcode", code=scanned.code, code_key=scanned.key, item_id=item_id):
        await remove_stub(tx, item_id)
        return None
    if bag is not None and bag.seller_part and normalize_barcode(bag.seller_part) != scanned.key:
        await tx.value(
            "add_barcode",
            code=bag.seller_part,
            code_key=normalize_barcode(bag.seller_part),
            shared_key=None,
            item_id=item_id,
            pack_milli=1000,
            is_primary=False,
        )
    return item_id


async def remove_stub(tx: Connection, item_id: int) -> None:
    """Removes what `add_stub` added in the same transaction."""
    await tx.execute("remove_barcodes", item_id=item_id)
    await tx.execute("remove_stub", item_id=item_id)


async def hide_unused_stub(tx: Connection, item_id: int, by: Principal) -> None:
    """Hides an item of which no more is known than a code, if all its scans are undone; a scan of it shows it again."""
    await lock_items(tx, {item_id})
    if await tx.rows("find_unused_stub", id=item_id, unnamed=UNNAMED):
        await remove_item(tx, item_id, by)

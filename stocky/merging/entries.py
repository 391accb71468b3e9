"""What shopping lists and projects say of an item, when it is merged: no list ever names one item twice."""

from __future__ import annotations

from datetime import datetime

from stocky.db import Connection
from stocky.merging.schemas import MovedEntry


async def move_list_entries(tx: Connection, source_id: int, target_id: int, moment: datetime) -> list[MovedEntry]:
    """On every shopping list the target stands for both; what moved."""
    moved = await tx.all("list_list_entries_of_item", MovedEntry, source_id=source_id, target_id=target_id)
    if moved:
        await tx.execute("fold_list_entries", source_id=source_id, target_id=target_id, moment=moment)
        await tx.execute("remove_folded_list_entries", source_id=source_id, target_id=target_id)
        await tx.execute("move_list_entries", source_id=source_id, target_id=target_id, moment=moment)
    return moved


async def move_project_entries(tx: Connection, source_id: int, target_id: int, moment: datetime) -> list[MovedEntry]:
    """In every project the target stands for both; what moved."""
    moved = await tx.all("list_project_entries_of_item", MovedEntry, source_id=source_id, target_id=target_id)
    if moved:
        await tx.execute("fold_project_entries", source_id=source_id, target_id=target_id, moment=moment)
        await tx.execute("remove_folded_project_entries", source_id=source_id, target_id=target_id)
        await tx.execute("move_project_entries", source_id=source_id, target_id=target_id, moment=moment)
    return moved


async def return_list_entries(
    tx: Connection, moved: list[MovedEntry], source_id: int, target_id: int, merged_at: datetime, moment: datetime
) -> None:
    """What moved goes back, unless it was bought or taken off since."""
    # An id may be that of another entry by now, but not of one that was there then.
    standing = {"target_id": target_id, "merged_at": merged_at, "moment": moment}
    for each in moved:
        if not each.is_folded:
            await tx.execute("return_list_entry", entry_id=each.entry_id, source_id=source_id, **standing)
        elif await tx.execute(
            "unfold_list_entry", entry_id=each.entry_id, quantity_milli=each.quantity_milli, **standing
        ):
            await tx.execute(
                "put_back_list_entry",
                parent_id=each.parent_id,
                source_id=source_id,
                quantity_milli=each.quantity_milli,
                moment=moment,
            )


async def return_project_entries(
    tx: Connection, moved: list[MovedEntry], source_id: int, target_id: int, merged_at: datetime, moment: datetime
) -> None:
    """What moved goes back, unless it was taken out since."""
    # An id may be that of another entry by now, but not of one that was there then.
    standing = {"target_id": target_id, "merged_at": merged_at, "moment": moment}
    for each in moved:
        if not each.is_folded:
            await tx.execute("return_project_entry", entry_id=each.entry_id, source_id=source_id, **standing)
        elif await tx.execute(
            "unfold_project_entry", entry_id=each.entry_id, quantity_milli=each.quantity_milli, **standing
        ):
            await tx.execute(
                "put_back_project_entry",
                parent_id=each.parent_id,
                source_id=source_id,
                quantity_milli=each.quantity_milli,
                moment=moment,
            )

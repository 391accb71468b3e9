"""Finds the items whose alerts a batch may have begun or ended, without a query: by what there was before and after."""

from __future__ import annotations

from collections import defaultdict

from stocky.alerts.evaluate import COLD
from stocky.stock.ledger import Ledger
from stocky.stock.models import Level


def items_crossed(ledger: Ledger) -> set[int]:
    """Items of which the batch took something across a line that an alert tells of.

    A total across its item's minimum; a SKU below nothing or back; one that time or its place matters to, from
    nothing to something or back.
    """
    before: dict[int, tuple[Level, int]] = {}
    for entry in ledger.entries:
        before.setdefault(id(entry.level), (entry.level, entry.quantity_after_milli - entry.delta_milli))
    crossed = set()
    gained: dict[int, int] = defaultdict(int)
    for level, was in before.values():
        now, item = level.quantity_milli, ledger.items[level.item_id]
        gained[item.id] += now - was
        is_watched = level.expiry_date is not None or item.default_storage_type in COLD
        if (was < 0) != (now < 0) or (is_watched and (was > 0) != (now > 0)):
            crossed.add(item.id)
    for item_id, gain in gained.items():
        minimum = ledger.items[item_id].min_quantity_milli
        if minimum is not None:
            levels = ledger.levels(item_id)
            total = sum(level.quantity_milli for level in levels)
            # What is counted in several units is looked at in any case: its main unit may be another one now.
            if (total <= minimum) != (total - gain <= minimum) or len({level.unit for level in levels}) > 1:
                crossed.add(item_id)
    return crossed

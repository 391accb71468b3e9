"""When a SKU that is empty leaves the lists: after as many days without a change as the settings say.

Nothing marks it: its next event changes it, so that it is listed again. History, exports and backups have it all along.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from stocky import clock
from stocky.db import Connection
from stocky.settings.repository import get_settings
from stocky.settings.schemas import Settings


async def find_emptied_before(read: Connection) -> datetime:
    """The moment of `emptied_before` by the current settings."""
    return emptied_before(await get_settings(read))


def emptied_before(settings: Settings) -> datetime:
    """An empty SKU that was last changed before this moment is not listed.

    It is the same for a whole day, so that totals of lists can be cached.
    """
    if not settings.emptied_days:
        return clock.LONG_AGO
    return datetime.combine(clock.today() - timedelta(days=settings.emptied_days), time(), UTC)

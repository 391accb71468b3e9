"""When a channel may send: not in its quiet hours, and its daily message once a day. Pure functions of the time."""

from __future__ import annotations

from datetime import datetime, time, tzinfo

from stocky.jobs.schedule import last_due


def is_quiet(now: datetime, quiet_from: str | None, quiet_until: str | None, zone: tzinfo | None) -> bool:
    """Whether `now` is in the quiet hours, which may pass midnight; `zone` None is the system's."""
    if quiet_from is None or quiet_until is None:
        return False
    at = now.astimezone(zone).time().replace(tzinfo=None)
    begin, end = time.fromisoformat(quiet_from), time.fromisoformat(quiet_until)
    return begin <= at < end if begin < end else at >= begin or at < end


def daily_due(now: datetime, daily_at: str, done_at: datetime, zone: tzinfo | None) -> datetime | None:
    """The moment of the daily message that is due; None if that of this day is done."""
    moment, _ = last_due(time.fromisoformat(daily_at), now, zone)
    return moment if moment > done_at else None

"""The only source of the current time, always aware and in UTC, and of the zone for times of day."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stocky.errors import Invalid

# Bounds for queries whose time filters are not given.
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(9999, 12, 30, tzinfo=UTC)
# How much the clocks of two servers may differ; a time further ahead came from a wrong clock.
SKEW = timedelta(minutes=2)

_LOCALTIME = Path("/etc/localtime")
# The zone of `local_today`; None is the system's.
_zone: tzinfo | None = None


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """The date in UTC."""
    return now().date()


def use_zone(zone: tzinfo | None) -> None:
    """Sets the zone of `local_today`, which is that of the settings: they are read once."""
    global _zone
    _zone = zone


def local_today() -> date:
    """The date in the configured zone, by which days that people name pass."""
    return local_date(now())


def local_date(moment: datetime) -> date:
    """The date of a moment in the configured zone."""
    return moment.astimezone(_zone).date()


def day_bounds(first: date, days: int, zone: tzinfo | None) -> list[datetime]:
    """The moments at which `days` days in a row begin in a zone, and the end of the last; None is the system's zone.

    A day on which the clocks change has 23 or 25 hours; one whose midnight is skipped begins at the change.

    Raises Invalid for days at the ends of the calendar.
    """
    try:
        dates = [first + timedelta(days=number) for number in range(days + 1)]
        return [datetime.combine(each, time(), tzinfo=zone).astimezone(UTC) for each in dates]
    except (OverflowError, ValueError):
        raise Invalid("The date is too far away; choose another one") from None


def find_zone(name: str) -> ZoneInfo:
    """The zone of this name, such as `Europe/Berlin`. Raises ValueError for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is not a time zone that this system knows; use a name like Europe/Berlin or UTC, and check that"
            " tzdata is installed"
        ) from error


def local_zone(name: str) -> tuple[tzinfo | None, str]:
    """The zone of this name, or the system's when it is empty, with its name.

    The zone is None where only the C library knows it, from an unusual TZ or /etc/localtime.
    """
    for candidate in (name, *_system_names()):
        if candidate:
            try:
                return find_zone(candidate), candidate
            except ValueError:
                break
    return None, f"{datetime.now().astimezone():UTC%z}"


def _system_names() -> list[str]:
    """The name in TZ, else the target of /etc/localtime; UTC where there is neither."""
    if (given := os.environ.get("TZ")) is not None:
        return [given.removeprefix(":") or "UTC"]
    if not _LOCALTIME.exists():
        return ["UTC"]
    return [str(_LOCALTIME.resolve()).rpartition("zoneinfo/")[2]]

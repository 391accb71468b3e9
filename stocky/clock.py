"""The only source of the current time; always aware, always UTC."""

from datetime import UTC, date, datetime, timedelta

# Bounds for queries whose time filters are not given.
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(9999, 12, 30, tzinfo=UTC)
# How much the clocks of two servers may differ; a time further ahead came from a wrong clock.
SKEW = timedelta(minutes=2)


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """The date in UTC."""
    return now().date()

"""The one place that asks what time it is; always aware, always UTC."""

from datetime import UTC, date, datetime, timedelta

# The ends of an open interval, for queries whose time filters are not given.
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(9999, 12, 30, tzinfo=UTC)
# What lies further ahead than the clocks of two servers may differ was dated by a clock that was wrong.
SKEW = timedelta(minutes=2)


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """The date in UTC."""
    return now().date()

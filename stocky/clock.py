"""The one place that asks what time it is; always aware, always UTC."""

from datetime import UTC, date, datetime


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """The date in UTC."""
    return now().date()

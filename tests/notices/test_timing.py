"""Quiet hours and the time of the daily message."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from stocky.notices.schemas import NoticeCause
from stocky.notices.texts import MAX_LINES, PendingNotice, compose, untranslated
from stocky.notices.timing import daily_due, is_quiet

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("at", "quiet_from", "quiet_until", "quiet"),
    [
        ("21:59", "22:00", "07:00", False),
        ("22:00", "22:00", "07:00", True),
        ("00:00", "22:00", "07:00", True),
        ("06:59", "22:00", "07:00", True),
        ("07:00", "22:00", "07:00", False),
        ("12:59", "12:00", "13:00", True),
        ("13:00", "12:00", "13:00", False),
        ("12:30", None, None, False),
    ],
)
def test_quiet_hours(at: str, quiet_from: str | None, quiet_until: str | None, quiet: bool) -> None:
    now = datetime.fromisoformat(f"2026-01-31T{at}:30+01:00").astimezone(UTC)
    assert is_quiet(now, quiet_from, quiet_until, BERLIN) is quiet


def test_daily_message_is_due_once_a_day() -> None:
    morning = datetime(2026, 1, 31, 8, tzinfo=BERLIN)
    before, after = morning.replace(hour=7, minute=59), morning.replace(minute=1)
    yesterday = morning.replace(day=30)
    assert daily_due(before, "08:00", yesterday, BERLIN) is None
    assert daily_due(after, "08:00", yesterday, BERLIN) == morning
    assert daily_due(after, "08:00", morning, BERLIN) is None
    # What was missed is sent late.
    assert daily_due(before, "08:00", yesterday.replace(day=29), BERLIN) == yesterday


def test_long_message_counts_what_is_left() -> None:
    pending = [PendingNotice(number, NoticeCause.LOW_STOCK.value, f"Item {number}") for number in range(MAX_LINES + 5)]
    text = compose(pending, "en", untranslated)
    assert text.subject == f"Stocky: {MAX_LINES + 5} notices"
    assert text.body.count("\n- ") == MAX_LINES
    assert text.body.endswith("\n\nAnd 5 more; the page of alerts has all of them.")
    [long] = [compose([PendingNotice(1, "job_failed", "x" * 1_000)], "en", untranslated)]
    assert len(long.body) < 400

"""The registry of kinds: complete, consistent with the phases, and with pauses that grow within their bounds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from litestar import Litestar

from stocky.jobs import kinds
from stocky.jobs.kinds import KINDS, JobKind, concurrency_key_of, delay_after, reason_not_to_stop
from stocky.jobs.phases import DRY_RUNS, PHASES, VERIFIED
from stocky.jobs.schemas import JobPriority


def test_every_kind_has_an_entry() -> None:
    assert KINDS.keys() == PHASES.keys()


def test_phases_to_stop_in_are_phases_of_the_kind() -> None:
    for name, kind in KINDS.items():
        phases = [*PHASES[name], *DRY_RUNS.get(name, ()), *VERIFIED.get(name, ())]
        names = {part for each in phases for part in (each.name, *each.during)}
        assert (kind.stops_in or frozenset()) <= names, name


@pytest.mark.one_database
async def test_what_is_repeated_can_be_claimed(app: Litestar) -> None:
    claimed = app.state.jobs._functions.keys()
    assert {name for name, kind in KINDS.items() if kind.repeats or kind.attempts > 1} <= claimed
    # A key is of queued jobs.
    assert {name for name, kind in KINDS.items() if kind.concurrency_key} <= claimed


@pytest.mark.parametrize("name", ["alerts.look", "alerts.loans", "backup.scheduled", "documents.collect"])
def test_daily_duty_is_tried_again_and_never_runs_twice_at_once(name: str) -> None:
    assert KINDS[name].attempts > 1
    assert KINDS[name].concurrency_key


def test_pauses_double_up_to_the_longest_and_vary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "test", JobKind(attempts=20, first_delay=timedelta(seconds=10)))
    monkeypatch.setattr(kinds.random, "random", lambda: 0.0)
    assert [delay_after("test", number).total_seconds() for number in (1, 2, 3, 9, 10, 10_000)] == [
        10, 20, 40, 2_560, 3_600, 3_600,
    ]  # fmt: skip
    monkeypatch.setattr(kinds.random, "random", lambda: 1.0)
    assert [delay_after("test", number).total_seconds() for number in (1, 10)] == [7.5, 2_700]


def test_dry_runs_have_no_key() -> None:
    assert concurrency_key_of("import.csv", {"options": {"dry_run": False}}) == "import"
    assert concurrency_key_of("import.csv", {"options": {"dry_run": True}}) is None
    assert concurrency_key_of("unknown", {}) is None


def test_jobs_stop_where_it_is_safe() -> None:
    def stops(kind: str, phase: str, attempts: int = 1, **parameters: bool) -> bool:
        return reason_not_to_stop(kind, parameters, phase, attempts) is None

    assert stops("backup.create", "dumping")
    assert stops("backup.restore", "")
    assert stops("backup.restore", "checking")
    assert stops("backup.restore", "decrypting")
    assert stops("backup.import", "decrypting")
    assert not stops("backup.restore", "backing up the current data")
    assert not stops("backup.restore", "dumping"), "of the backup of the current data"
    assert not stops("backup.restore", "replacing")
    assert not stops("backup.import", "adding rows")
    assert stops("import.csv", "checking")
    assert not stops("import.csv", "writing")
    assert not stops("import.csv", "rolling back")
    assert not stops("import.csv", "", attempts=2), "the first attempt may have written"
    assert stops("import.csv", "checking", attempts=2, dry_run=True)
    assert not stops("catalogue.bump", "")


def test_what_a_person_waits_for_comes_first() -> None:
    assert KINDS["import.csv"].priority is JobPriority.HIGH
    assert KINDS["backup.scheduled"].priority is JobPriority.LOW
    assert [each.rank for each in (JobPriority.HIGH, JobPriority.NORMAL, JobPriority.LOW)] == [0, 1, 2]

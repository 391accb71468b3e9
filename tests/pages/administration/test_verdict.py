"""The verdict on the stored backups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stocky.backup.dump.tables import is_data, is_index_of_search
from stocky.backup.store import Kind, Reason, StoredBackup
from stocky.config import Config
from stocky.jobs.phases import PHASES
from stocky.jobs.schemas import Job, JobPriority, JobStatus, Progress
from stocky.pages import job_words
from stocky.pages.backup_verdict import CONTENTS, REASONS, TABLES, ChangedRow, age, judge
from stocky.pages.languages import current
from tests.architecture.schema import run

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def backup(hours: float, *problems: str, tested: bool = True, reason: Reason = Reason.SCHEDULED) -> StoredBackup:
    made = NOW - timedelta(hours=hours)
    return StoredBackup(
        id=f"{hours}",
        kind=Kind.ARCHIVE,
        filename="x.zip",
        size_bytes=1,
        created_at=made,
        reason=reason,
        rows={"item": 6000, "sku": 751},
        verified_at=made if tested else None,
        problems=list(problems),
    )


def scheduled(hours: float, error: str | None) -> Job:
    return Job(
        id=1,
        kind="backup.scheduled",
        status=JobStatus.DONE if error is None else JobStatus.FAILED,
        progress=Progress(),
        result=None,
        error=error,
        error_status=None,
        attempts=1,
        max_attempts=1,
        priority=JobPriority.LOW,
        concurrency_key=None,
        waits_for=None,
        next_attempt_at=None,
        cancel_requested_at=None,
        dismissed_at=None,
        can_cancel=False,
        can_retry=False,
        created_by=None,
        created_at=NOW - timedelta(hours=hours),
        started_at=None,
        finished_at=None,
        phases=[],
        dry_run=False,
    )


@pytest.mark.parametrize(
    ("backups", "job", "kind", "title", "action"),
    [
        ([], None, "bad", "There is no backup yet", "create"),
        ([backup(3)], None, "good", "Last good backup: 3 h ago, test-restored", "download"),
        ([backup(1, tested=False), backup(3)], None, "good", "Last good backup: 3 h ago, test-restored", "download"),
        ([backup(1, tested=False)], None, "low", "No backup is test-restored yet", "verify"),
        ([backup(1, "item: 3 rows differ"), backup(3)], None, "bad", "The newest backup does not restore", "create"),
        ([backup(1, "x", reason=Reason.UPLOADED), backup(3)], None, "good", "Last good backup: 3 h ago", "download"),
        ([backup(3), backup(5, "x")], None, "good", "Last good backup: 3 h ago, test-restored", "download"),
        ([backup(24 * 9)], None, "low", "Last good backup: 9 days ago, test-restored", "create"),
        ([backup(30)], scheduled(6, "disk full"), "bad", "The last nightly backup failed", "create"),
        ([backup(3)], scheduled(6, "disk full"), "good", "Last good backup: 3 h ago, test-restored", "download"),
        ([backup(-48), backup(3)], None, "good", "Last good backup: 3 h ago, test-restored", "download"),
    ],
)
def test_verdict(backups: list[StoredBackup], job: Job | None, kind: str, title: str, action: str) -> None:
    found = judge(backups, job, NOW)
    assert (found.kind, found.action) == (kind, action)
    assert str(found.title).startswith(title)
    if kind == "good":
        assert str(found.text) == "All 6,751 rows came back unchanged."


def test_age() -> None:
    minutes = {0: "just now", 5: "5 min ago", 60: "1 h ago", 47 * 60: "47 h ago", 48 * 60: "2 days ago"}
    assert {each: str(age(NOW - timedelta(minutes=each), NOW)) for each in minutes} == minutes


@pytest.mark.one_database
def test_everything_has_its_words(config: Config) -> None:
    assert job_words.KINDS.keys() == PHASES.keys()
    phases = {each.name for phases in PHASES.values() for each in phases}
    assert job_words.PHASES.keys() == phases
    assert REASONS.keys() == set(Reason)
    assert CONTENTS.keys() == set(Kind)
    tables = [name for (name,) in run(config, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert TABLES.keys() == {name for name in tables if is_data(name) and not is_index_of_search(name)}


@pytest.mark.parametrize(
    ("example", "english", "german"),
    [
        (
            "Tea -> Green tea (name, min_quantity_milli)",
            "Tea → Green tea (Name, Minimum)",
            "Tea → Green tea (Name, Mindestbestand)",
        ),
        ("Tea, Shelf (quantity_milli, updated_at, version)", "Tea, Shelf (Amount)", "Tea, Shelf (Menge)"),
        ("Tea (updated_at, version)", "Tea", "Tea"),
        ("Tea (green)", "Tea (green)", "Tea (green)"),
        ("id 7 (last_counted_at)", "id 7 (last counted at)", "id 7 (last counted at)"),
        ("Tea", "Tea", "Tea"),
    ],
)
def test_changed_rows_have_words(example: str, english: str, german: str) -> None:
    row = ChangedRow(example)
    assert str(row) == english
    token = current.set("de")
    try:
        assert str(row) == german
    finally:
        current.reset(token)

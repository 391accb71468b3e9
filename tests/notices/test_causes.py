"""The causes that are no alerts: backups, failed jobs and the disk, from their begin to their end."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.backup.store import Store
from stocky.config import Config
from stocky.notices.schemas import AT_ONCE, DAILY, SERVICE_CAUSES, STOCK_CAUSES, NoticeCause
from stocky.notices.texts import HEADINGS
from stocky.pages.views.notices import CAUSES
from tests.architecture.schema import run_beside
from tests.backup.dumps import done, finished
from tests.inventory import get, new_item
from tests.notices.receiving import MailServer, new_channel, until_so

# Long enough for what should not be sent to be sent.
A_WHILE = 1.0


def _damage(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


async def lasting(config: Config) -> set[str]:
    return {cause for (cause,) in await run_beside(config, "SELECT cause FROM notice WHERE ended_at IS NULL")}


async def until_lasting(config: Config, *causes: str) -> None:
    async def is_so() -> bool:
        return await lasting(config) == set(causes)

    await until_so(is_so)


async def test_backups(admin: AsyncClient, mail: MailServer, config: Config) -> None:
    await new_channel(admin, "backup_old", "backup_unverified", "backup_failed")
    assert await mail.until(1) == [
        "Stocky: Backup too old\nThere is no backup yet. Make one, or turn on the nightly backup."
    ]
    await done(admin, await admin.post("/system/backup", json={"kind": "sql"}))
    await mail.until(2)
    assert mail.texts[1].startswith("Stocky: Backup not verified\n")
    # A copy that was damaged on the disk does not restore.
    [stored] = await get(admin, "/system/backup/list")
    await asyncio.to_thread(_damage, next(config.backup_dir.glob("*.sql.gz")))
    await finished(admin, (await admin.post(f"/system/backup/{stored['timestamp']}/verify")).json()["job_id"])
    await mail.until(3)
    assert mail.texts[2].startswith("Stocky: Backup failed\nThe newest backup does not restore: ")
    await done(admin, await admin.post("/system/backup", json={"kind": "sql", "verify": True}))
    await until_lasting(config)
    assert len(mail.messages) == 3


@pytest.mark.one_database
async def test_backups_that_cannot_be_read_hide_nothing_else(
    admin: AsyncClient, mail: MailServer, config: Config, monkeypatch: pytest.MonkeyPatch, app: Litestar
) -> None:
    await new_channel(admin, "backup_old", "backup_failed", "disk_full")
    await mail.until(1)
    free = (await app.state.storage.measure_free()).data

    def refuse(*given: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "list_backups", refuse)
        unreadable = "Stocky: Backup failed\nThe backups cannot be read: Permission denied. Check the backup directory."
        assert (await mail.until(2))[1:] == [unreadable]
        patched.setattr("stocky.notices.causes.LOW_BYTES", free * 2)
        patched.setattr("stocky.notices.causes.ENOUGH_BYTES", free * 2)
        assert (await mail.until(3))[2].startswith("Stocky: Disk nearly full\n")
        # What is known of the backups lasts: it is not sent again when they can be read.
        assert await lasting(config) == {"backup_old", "backup_failed", "disk_full"}
    await until_lasting(config, "backup_old")
    await asyncio.sleep(A_WHILE)
    assert len(mail.messages) == 3


@pytest.mark.one_database
async def test_failed_look_at_backups_delays_other_notices_only(
    admin: AsyncClient, mail: MailServer, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    await new_channel(admin, "backup_old", "low_stock")
    await mail.until(1)

    def fail(*given: Any) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr("stocky.notices.service.OTHERS_SECONDS", 2.0)
    monkeypatch.setattr(Store, "list_backups", fail)
    await asyncio.sleep(A_WHILE)
    await new_item(admin, "Tea", min_quantity=1)
    assert (await mail.until(2))[1].startswith("Stocky: Running low\n")


@pytest.mark.one_database
async def test_failed_nightly_backup_lasts_while_the_next_one_runs(
    admin: AsyncClient, mail: MailServer, config: Config
) -> None:
    at, later = f"'{clock.now():%Y-%m-%dT%H:%M:%S.%fZ}'", "'2999-01-01T00:00:00.000000Z'"
    insert = (
        "INSERT INTO job (kind, parameters, attempts, max_attempts, run_after, created_at, finished_at, phase, done,"
        " unit, status, error) VALUES ('backup.scheduled', '{{}}', 1, 1, {}, {}, {}, '', 0, '', '{}', {})"
    )
    await run_beside(config, insert.format(at, at, at, "failed", "'The disk is full'"))
    await new_channel(admin, "backup_old", "backup_failed")
    failed = "Stocky: Backup failed\nThe last nightly backup failed: The disk is full"
    assert await mail.until(1) == [failed]
    await run_beside(config, insert.format(later, at, "NULL", "queued", "NULL"))
    await asyncio.sleep(A_WHILE)
    assert await lasting(config) == {"backup_failed"}
    assert mail.texts == [failed]


async def test_failed_job_lasts_until_one_of_its_kind_succeeds(
    admin: AsyncClient, mail: MailServer, config: Config
) -> None:
    await new_channel(admin, "job_failed")
    at = "'2026-01-01T00:00:00.000000Z'"
    insert = (
        "INSERT INTO job (kind, parameters, attempts, max_attempts, run_after, created_at, finished_at, phase, done,"
        f" unit, status, error, error_status) VALUES ('documents.collect', '{{{{}}}}', 1, 1, {at}, {at}, {at}, '', 0,"
        " '', '{}', {}, {})"
    )
    # A rejection is the answer to a person.
    await run_beside(config, insert.format("failed", "'There is no file'", 422))
    await run_beside(config, insert.format("failed", "'The disk is full'", 507))
    assert await mail.until(1) == ["Stocky: Job failed\nThe job documents.collect failed: The disk is full"]
    await run_beside(config, insert.format("done", "NULL", "NULL"))

    async def has_ended() -> bool:
        return "job_failed" not in await lasting(config)

    await until_so(has_ended)


async def test_full_disk(
    admin: AsyncClient, mail: MailServer, config: Config, monkeypatch: pytest.MonkeyPatch, app: Litestar
) -> None:
    await new_channel(admin, "disk_full")
    free = (await app.state.storage.measure_free()).data
    monkeypatch.setattr("stocky.notices.causes.LOW_BYTES", free * 2)
    monkeypatch.setattr("stocky.notices.causes.ENOUGH_BYTES", free * 3)
    [text] = await mail.until(1)
    assert text.startswith("Stocky: Disk nearly full\nLess than 1 GiB is free on the disk of the data.")
    monkeypatch.setattr("stocky.notices.causes.LOW_BYTES", 0)
    monkeypatch.setattr("stocky.notices.causes.ENOUGH_BYTES", free * 3)

    async def is_full() -> bool:
        return "disk_full" in await lasting(config)

    # Only slightly more is free: it lasts.
    assert await is_full()
    monkeypatch.setattr("stocky.notices.causes.ENOUGH_BYTES", 0)

    async def has_ended() -> bool:
        return not await is_full()

    await until_so(has_ended)
    assert len(mail.messages) == 1


def test_every_cause_has_its_words() -> None:
    assert HEADINGS.keys() == CAUSES.keys() == set(NoticeCause)
    assert {cause: str(text) for cause, text in CAUSES.items()} == HEADINGS
    assert set(STOCK_CAUSES) | set(SERVICE_CAUSES) | set(AT_ONCE) | set(DAILY) == set(NoticeCause)

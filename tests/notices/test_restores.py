"""Channels in backups: what a restore brings back, and that it sends nothing again for old causes."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient

from stocky.config import Config
from tests.architecture.schema import run_beside
from tests.backup.dumps import as_json, restore, take, text_of
from tests.inventory import get, made, new_item, new_location, new_stock, refused
from tests.notices.receiving import MailServer, new_channel, until_so

pytestmark = pytest.mark.one_server

A_WHILE = 1.5


async def test_restore_sends_nothing_again(admin: AsyncClient, mail: MailServer, config: Config, dialect: str) -> None:
    causes = ("low_stock", "expired", "backup_old", "backup_unverified", "backup_failed", "job_failed")
    channel = await new_channel(admin, *causes)
    await mail.until(1)
    await new_item(admin, "Coffee", min_quantity=1)
    await mail.until(2)
    milk, shelf = await new_item(admin, "Milk"), await new_location(admin)
    await new_stock(admin, milk, shelf, 1, expiry_date="2026-01-31")
    await mail.until(3)
    # As if it had expired after the backup: the backup has no alert about it.
    await run_beside(config, "DELETE FROM alert WHERE alert_type = 'expired'")
    dump = await take(admin)
    await restore(admin, dump)

    async def has_settled() -> bool:
        return bool(await run_beside(config, "SELECT 1 FROM notice_queue WHERE NOT is_settling"))

    await until_so(has_settled)
    assert {each["alert_type"] for each in await get(admin, "/alerts/")} == {"low_stock", "expired"}
    await asyncio.sleep(A_WHILE)
    # The restore made a backup before, which ended one cause and began another.
    assert [text.partition("\n")[0] for text in mail.texts[3:]] in ([], ["Stocky: Backup not verified"])
    known = len(mail.messages)
    assert (await get(admin, f"/notices/channels/{channel['id']}"))["is_active"]
    await new_item(admin, "Tea", min_quantity=1)
    texts = await mail.until(known + 1)
    if dialect == "postgres":
        # The restore emptied the table of the lease, so it was taken again.
        assert await run_beside(config, "SELECT owner FROM notice_lease")
    assert texts[-1] == "Stocky: Running low\nTea is at or below its minimum of 1"


async def test_channel_that_was_not_active_here_stays_silent(admin: AsyncClient, mail: MailServer) -> None:
    stored = await new_channel(admin, "low_stock", name="stored")
    gone = await new_channel(admin, "low_stock", name="gone", recipients=["ben@example.org"])
    off = await new_channel(admin, "low_stock", name="off", recipients=["eve@example.org"])
    dump = await take(admin)
    assert (await admin.delete(f"/notices/channels/{gone['id']}")).status_code == 204
    made(await admin.patch(f"/notices/channels/{off['id']}", json={"is_active": False}))
    answered = await restore(admin, dump)
    found = {each["name"]: each for each in await get(admin, "/notices/channels")}
    assert [name for name, each in found.items() if each["is_active"]] == ["stored"]
    assert "backup" in found["gone"]["inactive_reason"]
    assert any(f"{gone['id']}, {off['id']};" in each for each in answered["warnings"]), answered["warnings"]
    assert stored["id"] == found["stored"]["id"]


async def test_dump_has_channels_without_what_was_sent(admin: AsyncClient, mail: MailServer) -> None:
    await new_channel(admin, "low_stock")
    await new_item(admin, "Coffee", min_quantity=1)
    await mail.until(1)
    text = text_of(await take(admin))
    assert "anna@example.org" in text
    for table in ("notice", "notice_sent", "notice_queue", "notice_lease"):
        assert f'INSERT INTO "{table}"' not in text


async def test_partial_import_adds_only_named_channels_which_are_inactive(admin: AsyncClient) -> None:
    channel = await new_channel(admin, "low_stock")
    dump = await take(admin)
    assert (await admin.delete(f"/notices/channels/{channel['id']}")).status_code == 204
    for options in ({}, {"force": True}, {"tables": ["notice_channels"]}):
        refused(await admin.post("/backup/import/partial", json=as_json(dump, **options)), 400)
    body = as_json(dump, force=True, tables=["notice_channels"])
    both = made(await admin.post("/backup/import/partial", json=body))
    assert any("channels of notices are inactive" in each for each in both["warnings"])
    [silent] = await get(admin, "/notices/channels")
    assert (silent["is_active"], "import" in silent["inactive_reason"]) == (False, True)

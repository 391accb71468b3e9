"""Off-site copies on the pages: their state, the list of what is there, and fetching one, without script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.backup.offsite.state import DestinationState
from stocky.pages.backup_verdict import describe_offsite
from tests.inventory import get, new_item, new_location, new_stock
from tests.offsite.test_upkeep import copied
from tests.pages.administration.test_backup_pages import back_up, ended, stored
from tests.pages.conftest import Browser
from tests.pages.markup import Page

Browse = Callable[[str], Awaitable[Browser]]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory like a mounted share."""
    return tmp_path_factory.mktemp("share")


@pytest.fixture
def environ(environ: dict[str, str], share: Path) -> dict[str, str]:
    return environ | {"STOCKY_OFFSITE_URL": f"file://{share}"}


async def test_copy_is_shown_listed_fetched_and_restored(browse: Browse, app: Litestar, admin: AsyncClient) -> None:
    await new_stock(admin, await new_item(admin), await new_location(admin), 3)
    browser = await browse("admin")
    assert "no copy yet" in (await browser.show("/backups")).text
    await back_up(browser)
    await copied(admin, app)
    page = await browser.show("/backups")
    assert Page(page.text).faults == []
    assert "Off-site copies" in page.text
    assert "1 copy, " in page.text
    assert "copied" in page.text
    assert "Newest off-site copy" in (await browser.show("/")).text

    (backup,) = await stored(admin)
    page = await browser.show("/backups/offsite")
    assert f"/backups/{backup['timestamp']}/restore" in page.text
    assert "Fetch</button>" not in page.text
    assert (await admin.delete(f"/system/backup/{backup['timestamp']}")).status_code == 204
    page = await browser.show("/backups/offsite")
    assert backup["filename"] in page.text
    (listing,) = await get(admin, "/system/offsite")
    fields = {"filename": backup["filename"], "destination": listing["destination"]}
    answer = await browser.submit("/backups/offsite/fetch", fields)
    assert answer.status_code == 303, answer.text
    page = await ended(browser, answer.headers["location"])
    assert "The backup is fetched" in page.text
    (fetched,) = await stored(admin)
    assert f"/backups/{fetched['timestamp']}/compare" in page.text
    assert "fetched from off site" in page.text
    for wrong in ({"filename": "x"}, {"filename": ""}, fields | {"destination": "s3://another"}):
        assert (await browser.submit("/backups/offsite/fetch", wrong)).status_code in (400, 404)


async def test_failure_is_shown_with_its_cause(browse: Browse, app: Litestar, admin: AsyncClient, share: Path) -> None:
    await new_stock(admin, await new_item(admin), await new_location(admin), 3)
    await asyncio.to_thread(share.rmdir)
    browser = await browse("admin")
    await back_up(browser)
    await copied(admin, app)
    page = await browser.show("/backups")
    assert Page(page.text).faults == []
    assert "Backups are not copied there" in page.text
    assert "mount the share" in page.text
    assert "not copied" in page.text
    assert "Last good backup" in page.text, "the local backup is as good as before"
    assert "it fails" in (await browser.show("/")).text
    page = await browser.show("/backups/offsite")
    assert "These copies cannot be listed now" in page.text
    assert "Off-site copy failed" in (await browser.show("/alerts")).text


def test_destination_that_is_furthest_behind_comes_first() -> None:
    fresh = DestinationState(newest=NOW - timedelta(hours=3), copies=2, size_bytes=10)
    old = DestinationState(newest=NOW - timedelta(days=9))
    failing = DestinationState(newest=NOW, error="full")
    lines = describe_offsite({"a": fresh, "b": old, "c": failing, "d": DestinationState()}, NOW)
    assert [(line.url, line.kind) for line in lines] == [("c", "bad"), ("d", "low"), ("b", "low"), ("a", "good")]
    assert [str(line.text) for line in lines] == ["just now", "no copy yet", "9 days ago", "3 h ago"]

"""Encryption of backups on the pages: what is encrypted, the monthly question, and a file with its own passphrase."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.config import Config
from tests.backup.dumps import finished
from tests.conftest import ORIGIN
from tests.encryption.keys import OTHER_PASSPHRASE, PASSPHRASE, note_confirmation
from tests.encryption.test_backups import encrypted, opened
from tests.inventory import get, new_item, new_location, new_stock
from tests.pages.administration.test_backup_pages import back_up, compare, ended, stored
from tests.pages.conftest import Browser
from tests.pages.markup import Page

Browse = Callable[[str], Awaitable[Browser]]


async def ended_restore(admin: AsyncClient, address: str) -> None:
    """Waits for the job that the address names; the session has ended with it."""
    (job_id,) = parse_qs(urlsplit(address).query)["job"]
    assert (await finished(admin, int(job_id)))["status"] == "done"


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return environ | {"STOCKY_BACKUP_PASSPHRASE": PASSPHRASE}


async def test_encrypted_backup_is_marked_compared_and_restored(browse: Browse, admin: AsyncClient) -> None:
    await new_stock(admin, await new_item(admin, "Coffee"), await new_location(admin), 3)
    browser = await browse("admin")
    page = await back_up(browser)
    assert "The backup is good" in page.text
    page = await browser.show("/backups")
    assert Page(page.text).faults == []
    assert "encrypted" in page.text
    assert "New backups are encrypted with a passphrase" in page.text
    await new_item(admin, "Tea")
    (backup,) = await stored(admin)
    page = await compare(browser, backup["timestamp"])
    assert "It would change" in page.text
    assert "with a passphrase" in page.text


@pytest.fixture
def confirmed_long_ago(config: Config) -> None:
    """Before the application starts, which begins with a look."""
    note_confirmation(config, clock.now() - timedelta(days=31))


@pytest.mark.usefixtures("confirmed_long_ago")
async def test_passphrase_is_asked_for_when_a_month_has_passed(browse: Browse, admin: AsyncClient) -> None:
    await new_stock(admin, await new_item(admin), await new_location(admin), 3)
    browser = await browse("admin")
    assert "Confirm the passphrase of the backups" in (await browser.show("/")).text
    page = await browser.show("/backups")
    assert Page(page.text).faults == []
    assert "Confirm the passphrase of the backups" in page.text
    wrong = await browser.submit("/backups/passphrase", {"passphrase": OTHER_PASSPHRASE})
    assert wrong.status_code == 400
    assert "This is not the passphrase" in wrong.text
    assert OTHER_PASSPHRASE not in wrong.text
    right = await browser.submit("/backups/passphrase", {"passphrase": PASSPHRASE})
    assert right.status_code == 303
    page = await browser.show(right.headers["location"])
    assert "That is the passphrase of the backups" in page.text
    assert "Confirm the passphrase of the backups" not in page.text


async def test_too_many_wrong_passphrases_are_said_on_the_page(browse: Browse, admin: AsyncClient) -> None:
    for number in range(10):
        body = {"passphrase": f"guess number {number}"}
        assert (await admin.post("/system/encryption/passphrase", json=body)).status_code == 400
    browser = await browse("admin")
    answer = await browser.submit("/backups/passphrase", {"passphrase": PASSPHRASE})
    assert answer.status_code == 429
    assert "Too many wrong passphrases; try again in" in answer.text


async def test_file_with_another_passphrase_is_uploaded_with_it(browse: Browse, admin: AsyncClient) -> None:
    await new_item(admin, "Coffee")
    dump = encrypted(opened((await admin.post("/backup/create/full/download")).content), OTHER_PASSPHRASE)
    await new_item(admin, "Tea")
    browser = await browse("admin")

    async def upload(passphrase: str) -> tuple[str, str]:
        files = {
            "csrf": (None, browser.csrf),
            "file": ("old.sql.gz.age", dump),
            "passphrase": (None, passphrase),
        }
        answer = await browser.post("/backups/upload", files=files, headers={"Origin": ORIGIN})
        assert answer.status_code == 303, answer.text
        address = answer.headers["location"]
        return address, (await ended(browser, address)).text

    _, text = await upload("")
    assert "The passphrase does not open this backup" in text
    assert [each["problems"] for each in await stored(admin)] == [[]]
    address, text = await upload(OTHER_PASSPHRASE)
    assert "It would change" in text
    # The word is typed later, in another request.
    answer = await browser.submit(address.partition("?")[0], {"word": "restore"})
    assert answer.status_code == 303, answer.text
    await ended_restore(admin, answer.headers["location"])
    assert [item["name"] for item in await get(admin, "/items/")] == ["Coffee"]


async def test_passphrase_of_a_file_is_forgotten_with_it(app: Litestar, browse: Browse, admin: AsyncClient) -> None:
    dump = encrypted(opened((await admin.post("/backup/create/full/download")).content), OTHER_PASSPHRASE)
    browser = await browse("admin")
    files = {
        "csrf": (None, browser.csrf),
        "file": ("old.sql.gz.age", dump),
        "passphrase": (None, OTHER_PASSPHRASE),
    }
    answer = await browser.post("/backups/upload", files=files, headers={"Origin": ORIGIN})
    await ended(browser, answer.headers["location"])
    (upload,) = await stored(admin)
    assert list(app.state.backups._passphrases) == [upload["timestamp"]]
    assert (await admin.delete(f"/system/backup/{upload['timestamp']}")).is_success
    assert app.state.backups._passphrases == {}

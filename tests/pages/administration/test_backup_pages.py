"""The administrator's story without script: back up, change data, compare, restore, sign in again, and go back."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import AsyncClient, Response
from litestar import Litestar

from stocky.errors import Conflict
from tests.backup.dumps import done
from tests.conftest import ORIGIN
from tests.inventory import Json, get, made, new_item
from tests.pages.conftest import Browser
from tests.pages.markup import Page

Browse = Callable[[str], Awaitable[Browser]]
RELOADS = 'http-equiv="refresh"'


async def ended(browser: Browser, address: str) -> Response:
    """The page of a job when it has ended, which without script reloads itself until then."""
    async with asyncio.timeout(60):
        while True:
            answer = await browser.show(address)
            assert Page(answer.text).faults == []
            if RELOADS not in answer.text:
                return answer
            assert "<progress" in answer.text
            await asyncio.sleep(0.1)


async def back_up(browser: Browser, kind: str = "archive") -> Response:
    answer = await browser.submit("/backups/create", {"kind": kind})
    assert answer.status_code == 303, answer.text
    return await ended(browser, answer.headers["location"])


async def stored(admin: AsyncClient) -> list[Json]:
    listed: list[Json] = await get(admin, "/system/backup/list")
    return listed


async def compare(browser: Browser, backup: str, **fields: Any) -> Response:
    answer = await browser.submit(f"/backups/{backup}/compare", fields)
    assert answer.status_code == 303, answer.text
    return await ended(browser, answer.headers["location"])


async def upload(browser: Browser, name: str, content: bytes, **headers: str) -> Response:
    files: dict[str, Any] = {"csrf": (None, browser.csrf), "file": (name, content)}
    return await browser.post("/backups/upload", files=files, headers={"Origin": ORIGIN, **headers})


async def test_the_whole_story(browse: Browse, admin: AsyncClient) -> None:
    coffee = await new_item(admin, "Coffee")
    browser = await browse("admin")
    assert "There is no backup yet" in (await browser.show("/backups")).text

    page = await back_up(browser)
    assert "The backup is good" in page.text
    (backup,) = await stored(admin)
    stamp = backup["timestamp"]
    assert backup["is_good"]
    assert backup["expires_at"] is None
    assert "It stays here until it is deleted" in page.text
    assert f"/api/v1/system/backup/{stamp}/download" in page.text
    assert (await browser.get(f"/api/v1/system/backup/{stamp}/download")).content[:2] == b"PK"
    page = await browser.show("/backups")
    assert "Last good backup: just now, test-restored" in page.text
    assert "/keep" not in page.text

    made(await admin.patch(f"/items/{coffee['id']}", json={"name": "Oh no"}))
    await new_item(admin, "Tea")
    page = await compare(browser, stamp)
    assert "Oh no → Coffee" in page.text.replace("&#39;", "'")
    assert "removed: Tea" in page.text
    assert {"name": "Oh no"}.items() <= (await get(admin, f"/items/{coffee['id']}")).items()

    for word in ("", "yes"):
        answer = await browser.submit(f"/backups/{stamp}/restore", {"word": word})
        assert answer.status_code == 422
        assert "Type restore" in answer.text
    job = urlsplit(str(page.url)).query
    answer = await browser.submit(f"/backups/{stamp}/restore?{job}", {"word": "yes"})
    assert answer.status_code == 422
    assert re.search(r'id="restore-word" name="word" value="yes"[^>]* aria-invalid="true"', answer.text)
    assert "Type restore to confirm the restore" in answer.text
    assert Page(answer.text).faults == []
    answer = await browser.submit(f"/backups/{stamp}/restore", {"word": " RESTORE "})
    assert answer.status_code == 303
    address = answer.headers["location"]
    async with asyncio.timeout(60):
        while answer.status_code != 303 or "/sign-in" not in answer.headers["location"]:
            answer = await browser.get(address)
            # While the data is being replaced there is a page that reloads automatically.
            assert answer.status_code in (200, 303) or answer.headers["refresh"], answer.text
            await asyncio.sleep(0.1)
    page = await browser.show(answer.headers["location"])
    assert "Restored" in page.text
    assert "sign in again" in page.text
    wanted = parse_qs(urlsplit(answer.headers["location"]).query)["next"][0]
    answer = await browser.sign_in("admin", next=wanted)
    page = await browser.show(answer.headers["location"])
    assert "Full restore completed" in page.text
    assert "Go back to before the restore" in page.text
    assert (await get(admin, f"/items/{coffee['id']}"))["name"] == "Coffee"

    page = await browser.show("/backups")
    assert "A backup was restored" in page.text
    before = next(each for each in await stored(admin) if each["reason"] == "before_restore")
    page = await compare(browser, before["timestamp"])
    assert "Coffee → Oh no" in page.text
    assert "added: Tea" in page.text


@pytest.mark.one_database
async def test_a_backup_that_expires_is_kept(browse: Browse, admin: AsyncClient) -> None:
    started = (await admin.post("/system/backup", json={"kind": "sql"})).json()
    browser = await browse("admin")
    page = await ended(browser, f"/backups?job={started['job_id']}")
    assert "download it, or keep it" in page.text
    (backup,) = await stored(admin)
    assert backup["expires_at"] is not None
    keep = f"/backups/{backup['timestamp']}/keep"
    assert f'action="{keep}"' in page.text
    assert (await browser.submit(keep)).status_code == 303
    assert (await stored(admin))[0]["expires_at"] is None
    assert "/keep" not in (await browser.show("/backups")).text


@pytest.mark.one_database
async def test_nothing_to_restore(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("admin")
    await back_up(browser, "sql")
    (backup,) = await stored(admin)
    page = await compare(browser, backup["timestamp"])
    assert "Stock and people would not change" in page.text


@pytest.mark.one_database
async def test_an_upload_is_compared_and_added(browse: Browse, admin: AsyncClient) -> None:
    await new_item(admin, "Coffee")
    browser = await browse("admin")
    answer = await browser.submit("/backups/stream")
    assert answer.headers["content-disposition"].startswith("attachment")
    dump = answer.content
    assert gzip.decompress(dump).startswith(b"--")
    await new_item(admin, "Tea")

    answer = await upload(browser, r"C:\Users\me\my <backup>.sql.gz", dump)
    assert answer.status_code == 303, answer.text
    page = await ended(browser, answer.headers["location"])
    assert "removed: Tea" in page.text
    (backup,) = await stored(admin)
    assert backup["reason"] == "uploaded"
    assert re.fullmatch(r"uploaded-\d{8}-\d{6}-my_backup_\.sql\.gz", backup["filename"])
    assert backup["expires_at"] is not None

    answer = await browser.submit(f"/backups/{backup['timestamp']}/add", {})
    page = await ended(browser, answer.headers["location"])
    assert "That failed; the data is unchanged" in page.text, "every row exists"
    answer = await browser.submit(f"/backups/{backup['timestamp']}/add", {"force": "true"})
    page = await ended(browser, answer.headers["location"])
    assert "Rows added" in page.text
    answer = await browser.submit(f"/backups/{backup['timestamp']}/add", {"tables": "items"})
    assert answer.status_code == 422


@pytest.mark.one_database
async def test_files_that_are_no_backups(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("admin")
    await browser.show("/backups")
    answer = await upload(browser, "holiday.jpg", b"\xff\xd8")
    assert answer.status_code == 400
    assert "is not named like a backup" in answer.text
    assert Page(answer.text).faults == []
    answer = await upload(browser, "holiday.jpg", b"\xff\xd8", **{"X-Requested-With": "fetch"})
    assert answer.json()["errors"][0]["field"] == "file"
    assert await stored(admin) == []

    for name, content, words in (
        ("a.sql.gz", b"GIF89a", "Invalid gzip file"),
        ("b.sql.gz", gzip.compress(b"SELECT 1;"), "This is not a Stocky backup"),
        ("c.zip", b"PK\x03\x04 cut off", "corrupted"),
        ("d.db", b"SQLite format 3\0 cut off", "damaged"),
    ):
        answer = await upload(browser, name, content)
        page = await ended(browser, answer.headers["location"])
        assert "This backup cannot be restored" in page.text
        assert words in page.text, (name, page.text)
        assert "Delete the upload" in page.text
    uploads = await stored(admin)
    assert len(uploads) == 4
    # The list marks them, until they expire.
    assert all(each["problems"] and each["expires_at"] for each in uploads)
    page = await browser.show("/backups")
    assert page.text.count("does not restore") == 4
    assert re.search(
        r"does not restore.*?</span><small class=\"reason record-text\">[^<]*neither gzip nor SQL", page.text
    )
    assert "/compare" not in page.text
    assert "/keep" not in page.text
    assert page.text.count("Restores it into a scratch database") == page.text.count('/download"') == 4
    await browser.submit("/me/language", {"language": "de"})
    page = await browser.show("/backups")
    assert "weder gzip noch der SQL-Text einer Sicherung" in page.text
    assert "Das ist keine Sicherung von Stocky" in page.text
    for each in uploads:
        answer = await browser.show(f"/backups/{each['timestamp']}/delete")
        assert Page(answer.text).faults == []
        assert (await browser.submit(f"/backups/{each['timestamp']}/delete")).status_code == 303
    assert await stored(admin) == []


@pytest.mark.one_database
async def test_an_edited_backup(browse: Browse, admin: AsyncClient) -> None:
    await new_item(admin, "Coffee")
    browser = await browse("admin")
    text = gzip.decompress((await browser.submit("/backups/stream")).content)
    answer = await upload(browser, "edited.sql", text.replace(b"'Coffee'", b"'Cocoa'"))
    page = await ended(browser, answer.headers["location"])
    assert "checksum" in page.text
    (backup,) = await stored(admin)
    assert "checksum" in backup["problems"][0]
    assert f"/backups/{backup['timestamp']}/compare" in (await browser.show("/backups")).text
    page = await compare(browser, backup["timestamp"], accept_edited="true")
    assert "Coffee → Cocoa" in page.text
    assert 'name="accept_edited" value="true"' in page.text
    assert (await stored(admin))[0]["problems"] == []


@pytest.mark.one_database
async def test_a_job_of_another_backup_is_not_shown(browse: Browse, admin: AsyncClient, samples: Json) -> None:
    browser = await browse("admin")
    await back_up(browser, "sql")
    backup = (await stored(admin))[0]["timestamp"]
    answer = await browser.submit(f"/backups/{backup}/compare")
    job = answer.headers["location"].partition("job=")[2]
    await ended(browser, answer.headers["location"])
    for job_id in (job, "1", "99999", "x", "9" * 30):
        page = await browser.show(f"/backups/{samples['backup_id']}/restore?job={job_id}")
        assert "Show what would change" in page.text, job_id
    assert (await browser.get("/backups/2001-01-01-00-00-00/restore")).status_code == 404
    assert (await browser.submit("/backups/2001-01-01-00-00-00/compare")).status_code == 404


@pytest.mark.one_database
async def test_a_running_job_is_found_again(app: Litestar, browse: Browse) -> None:
    """Opening or reloading the page shows the running job."""
    going = asyncio.Event()

    async def work(report: Callable[..., None]) -> None:
        report("loading", 1_000, 4_000, "rows")
        await going.wait()

    job = await app.state.jobs.run_here("backup.verify", work, by="admin", parameters={"backup": "x"})
    try:
        browser = await browse("admin")
        for path in ("/backups", "/jobs", f"/jobs/{job.id}"):
            page = await browser.show(path)
            assert RELOADS in page.text, path
            assert f"/api/v1/jobs/{job.id}/events" in page.text, path
            assert "1,000 of 4,000 rows" in page.text, path
            part = await browser.get(
                path, headers={"X-Fragment": {"/backups": "state", "/jobs": "jobs"}.get(path, "job")}
            )
            assert RELOADS not in part.text
            assert "1,000 of 4,000 rows" in part.text
        await browser.submit("/me/language", {"language": "de"})
        assert "1.000" in (await browser.show("/backups")).text
    finally:
        going.set()
        await app.state.jobs.finished(job.id)


@pytest.mark.one_database
@pytest.mark.parametrize("kind", ["backup.restore", "backup.create"])
async def test_a_cancelled_job_is_no_failure(app: Litestar, browse: Browse, samples: Json, kind: str) -> None:
    backup = samples["backup_id"]

    async def work(report: Callable[..., None]) -> None:
        report("loading" if kind == "backup.restore" else "dumping", 1, 4, "rows")
        await asyncio.Event().wait()

    parameters = {"backup": backup, "dry_run": True} if kind == "backup.restore" else {}
    job = await app.state.jobs.run_here(kind, work, by="admin", parameters=parameters)
    browser = await browse("admin")
    assert (await browser.submit(f"/jobs/{job.id}/cancel")).status_code == 303
    with pytest.raises(Conflict, match="was cancelled"):
        await app.state.jobs.finished(job.id)
    shows_it = f"/backups/{backup}/restore?job={job.id}" if kind == "backup.restore" else f"/backups?job={job.id}"
    page = await ended(browser, shows_it)
    assert "was cancelled" in page.text
    assert "failed" not in page.text.partition("<template")[0]
    assert "cannot be restored" not in page.text
    assert Page((await browser.show(f"/jobs/{job.id}")).text).faults == []


async def test_download_of_an_increment_is_said_to_be_not_enough(browse: Browse, admin: AsyncClient) -> None:
    for _ in range(2):
        body = {"kind": "sql", "incremental": True, "verify": True}
        await done(admin, await admin.post("/system/backup", json=body))
    browser = await browse("admin")
    page = await browser.show("/backups")
    assert Page(page.text).faults == []
    assert "increment: needs all back to" in page.text
    assert page.text.count("a download of it alone cannot be restored") == 1
    # Beside the result of its test restore as well.
    (increment, _) = await stored(admin)
    answer = await browser.submit(f"/backups/{increment['timestamp']}/verify")
    assert "a download of it alone cannot be restored" in (await ended(browser, answer.headers["location"])).text

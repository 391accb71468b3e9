"""The page of notices, without script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from httpx import AsyncClient

from tests.inventory import get
from tests.notices.receiving import http_receiver
from tests.pages.conftest import Browser

Browse = Callable[[str], Awaitable[Browser]]
SECRET = "a-secret-topic"


async def test_mail(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("admin")
    assert "No channels yet" in (await browser.show("/notices")).text
    page = (await browser.show("/notices/new")).text
    assert page.index("What is reported, and when") < page.index("Time of the daily message")
    assert '<details class="disclosure" open>' not in page
    fields = {"name": "Anna", "recipients": "anna@example.org, ben@example.org", "daily_at": "07:30", "language": "de"}
    fields |= {"cause_backup_failed": "at_once", "cause_low_stock": "daily", "cause_expired": "", "timezone": ""}
    answer = await browser.submit("/notices/new", fields | {"quiet_from": "22:00"})
    assert answer.status_code == 422
    assert 'value="anna@example.org, ben@example.org"' in answer.text
    assert '<details class="disclosure" open>' in answer.text
    answer = await browser.submit("/notices/new", fields | {"recipients": "anna"})
    assert answer.status_code == 422
    # Which one of a list it is says nothing in a field of one text.
    assert "must be an address" in answer.text
    assert "[0]" not in answer.text
    assert (await browser.submit("/notices/new", fields)).status_code == 303
    [channel] = await get(admin, "/notices/channels")
    assert channel["recipients"] == ["anna@example.org", "ben@example.org"]
    assert (channel["at_once"], channel["daily"]) == (["backup_failed"], ["low_stock"])
    path = f"/notices/{channel['id']}"
    assert "Anna" in (await browser.show(path)).text
    changed = fields | {"name": "Ben", "quiet_from": "22:00", "quiet_until": "07:00", "is_active": "true"}
    assert (await browser.submit(path, changed)).status_code == 303
    [channel] = await get(admin, "/notices/channels")
    assert (channel["name"], channel["quiet_from"], channel["is_active"]) == ("Ben", "22:00", True)
    # Nobody is at the port of the mail server.
    answer = await browser.submit(f"{path}/test")
    assert answer.status_code == 200
    assert "The test was not sent" in answer.text
    assert "cannot be reached" in answer.text
    assert (await browser.submit(path, fields)).status_code == 303
    assert "This channel is off" in (await browser.show(path)).text
    assert (await browser.submit(f"{path}/delete")).status_code == 303
    assert await get(admin, "/notices/channels") == []


async def test_service_is_never_shown_again(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("admin")
    await browser.show("/notices/new")
    async with http_receiver() as receiver:
        url = f"ntfy://127.0.0.1:{receiver.port}/{SECRET}"
        fields = {"name": "Phone", "recipients": "", "url": url, "daily_at": "08:00", "language": "en"}
        assert (await browser.submit("/notices/new", fields | {"url": "syslog://"})).status_code == 422
        assert (await browser.submit("/notices/new", fields)).status_code == 303
        [channel] = await get(admin, "/notices/channels")
        path = f"/notices/{channel['id']}"
        answer = await browser.submit(f"{path}/test")
        assert "The test was sent." in answer.text
        # An empty address leaves the one that is stored.
        assert (await browser.submit(path, fields | {"url": "", "is_active": "true"})).status_code == 303
        # One that was typed is there again after an error elsewhere, so that it is not lost.
        typed = f"ntfy://127.0.0.1:{receiver.port}/another-topic"
        refused = await browser.submit(path, fields | {"url": typed, "is_active": "true", "quiet_from": "22:00"})
        assert refused.status_code == 422
        assert f'value="{typed}"' in refused.text
        shown = [answer.text, refused.text, (await browser.show(path)).text, (await browser.show("/notices")).text]
        assert SECRET not in "".join(shown)
        assert "The test was sent." in (await browser.submit(f"{path}/test")).text
        assert [each.json["topic"] for each in receiver.arrived] == [SECRET, SECRET]

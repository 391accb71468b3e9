"""Channels: who manages them, what is refused, that a URL is never shown, and the test button."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from tests.inventory import Json, get, made, refused
from tests.notices.receiving import HttpReceiver, MailServer, new_channel

SECRET = "a-secret-topic"


async def test_channel_is_managed_and_its_url_is_not_shown(
    admin: AsyncClient, app: Litestar, receiver: HttpReceiver
) -> None:
    url = f"ntfy://anna:pass-word@127.0.0.1:{receiver.port}/{SECRET}"
    body = {"name": "Phone", "url": url, "language": "de", "quiet_from": "22:00", "quiet_until": "07:00"}
    channel = made(await admin.post("/notices/channels", json=body))
    path = f"/notices/channels/{channel['id']}"
    assert (channel["kind"], channel["service"], channel["recipients"]) == ("service", "ntfy", [])
    assert "backup_failed" in channel["at_once"]
    assert channel["daily"] == ["low_stock", "expiring", "expired", "overdue"]
    change = {"name": "Anna", "url": url + "2", "quiet_from": None, "quiet_until": None, "timezone": "Europe/Berlin"}
    changed = made(await admin.patch(path, json=change))
    assert (changed["name"], changed["quiet_from"], changed["timezone"]) == ("Anna", None, "Europe/Berlin")
    assert made(await admin.patch(path, json={"at_once": [], "is_active": False}))["at_once"] == []
    shown = str([channel, changed, await get(admin, "/notices/channels"), await get(admin, path)])
    audited = [each for each in await get(admin, "/audit") if each["subject"] == "notice_channel"]
    assert [each["action"] for each in audited] == ["changed", "changed", "created"]
    assert audited[1]["details"]["service"] == "ntfy"
    assert (await admin.delete(path)).status_code == 204
    refused(await admin.get(path), 404)
    refused(await admin.post(f"{path}/test"), 404)
    logged = str(await get(admin, "/logs", limit=1000))
    for text in (shown, str(audited), logged):
        assert SECRET not in text
        assert "pass-word" not in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"recipients": None}, "recipients"),
        ({"url": "ntfy://ntfy.example.org/topic"}, "recipients"),
        ({"recipients": []}, "recipients"),
        ({"recipients": ["anna"]}, "recipients"),
        ({"recipients": ["anna@example.org, ben@example.org"]}, "recipients"),
        ({"recipients": ["anna@example.org\nBcc:ben@example.org"]}, "recipients"),
        ({"recipients": None, "url": "syslog://"}, "url"),
        ({"at_once": ["low_stock"], "daily": ["low_stock"]}, "daily"),
        ({"at_once": ["high_stock"]}, "at_once"),
        ({"quiet_from": "22:00"}, "quiet_until"),
        ({"quiet_from": "22:00", "quiet_until": "22:00"}, "quiet_until"),
        ({"daily_at": "24:00"}, "daily_at"),
        ({"timezone": "Europe/Atlantis"}, "timezone"),
        ({"language": "fr"}, "language"),
        ({"name": " "}, "name"),
    ],
)
@pytest.mark.one_database
async def test_bad_input_is_refused_by_name(admin: AsyncClient, fields: dict[str, Any], words: str) -> None:
    body = {"name": "Mail", "recipients": ["anna@example.org"]} | fields
    answer = await admin.post(
        "/notices/channels", json={key: value for key, value in body.items() if value is not None}
    )
    assert answer.status_code in (400, 422), answer.text
    assert words in answer.text
    assert await get(admin, "/notices/channels") == []


@pytest.mark.one_database
async def test_change_that_does_not_fit_is_refused(admin: AsyncClient) -> None:
    channel = await new_channel(admin, "low_stock")
    path = f"/notices/channels/{channel['id']}"
    refused(await admin.patch(path, json={"daily": ["low_stock"]}), 422, "daily")
    refused(await admin.patch(path, json={"quiet_from": "22:00"}), 422, "quiet_until")
    refused(await admin.patch(path, json={"url": "ntfy://ntfy.example.org/topic"}), 422, "sends e-mail")
    assert await get(admin, path) == channel


@pytest.mark.one_database
async def test_channels_are_limited(admin: AsyncClient) -> None:
    for _ in range(50):
        await new_channel(admin, is_active=False)
    body = {"name": "One more", "recipients": ["anna@example.org"]}
    refused(await admin.post("/notices/channels", json=body), 409, "50 channels")


async def test_test_button_sends_and_reports_the_exact_failure(
    admin: AsyncClient, mail: MailServer, receiver: HttpReceiver
) -> None:
    by_mail = await new_channel(admin, name="Anna & Ben", language="de", is_active=False)
    path = f"/notices/channels/{by_mail['id']}"
    assert made(await admin.post(f"{path}/test")) == {"is_sent": True, "error": None}
    [text] = mail.texts
    assert text.startswith("Stocky: Testbenachrichtigung\n")
    assert "Anna & Ben" in text
    assert (await get(admin, path))["last_sent_at"]
    mail.answers = ["554 5.7.1 spam"]
    failed = made(await admin.post(f"{path}/test"))
    assert failed["is_sent"] is False
    assert failed["error"].endswith("answered 554 5.7.1 spam")
    url = f"json://127.0.0.1:{receiver.port}/{SECRET}"
    service = made(await admin.post("/notices/channels", json={"name": "Hook", "url": url, "at_once": [], "daily": []}))
    assert made(await admin.post(f"/notices/channels/{service['id']}/test"))["is_sent"]
    assert receiver.arrived[0].json["title"] == "Stocky: Test notice"
    receiver.statuses = ["500 Internal Server Error"]
    failed = made(await admin.post(f"/notices/channels/{service['id']}/test"))
    assert "500" in failed["error"]
    assert SECRET not in failed["error"]


@pytest.mark.one_database
class TestWithoutMail:
    """The settings without a mail server."""

    @pytest.fixture
    def environ(self, environ: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in environ.items() if not name.startswith("STOCKY_SMTP_")}

    async def test_mail_is_refused_naming_the_setting(self, admin: AsyncClient) -> None:
        body: Json = {"name": "Mail", "recipients": ["anna@example.org"]}
        refused(await admin.post("/notices/channels", json=body), 409, "STOCKY_SMTP_HOST")

"""Services by `apprise`, against a real HTTP receiver: what arrives, what is refused, and that no secret is shown."""

from __future__ import annotations

import pytest

from stocky.errors import Conflict, Invalid
from stocky.notices import service_client
from stocky.notices.service_client import ServiceClient
from stocky.notices.texts import NoticeText
from tests.notices.receiving import HttpReceiver

TEXT = NoticeText("Stocky: Expired", "Müsli expired.")
SECRET = "a-secret-topic"


async def test_messages_arrive(receiver: HttpReceiver) -> None:
    services = ServiceClient(to_private=True)
    assert await services.send(f"json://stocky:pass-word@127.0.0.1:{receiver.port}/hook", TEXT) is None
    assert await services.send(f"ntfy://127.0.0.1:{receiver.port}/{SECRET}", TEXT) is None
    plain, topic = receiver.arrived
    assert (plain.path, plain.json["title"], plain.json["message"]) == ("/hook", TEXT.subject, TEXT.body)
    assert plain.headers["authorization"].startswith("Basic ")
    assert (topic.json["topic"], topic.json["message"]) == (SECRET, TEXT.body)


async def test_failures_are_exact_and_without_secrets(receiver: HttpReceiver) -> None:
    services = ServiceClient(to_private=True)
    receiver.statuses = ["403 Forbidden"]
    error = await services.send(f"ntfy://anna:pass-word@127.0.0.1:{receiver.port}/{SECRET}", TEXT)
    assert error is not None
    assert "403" in error
    gone = await services.send(f"ntfy://127.0.0.1:1/{SECRET}", TEXT)
    assert gone is not None
    assert "Connection refused" in gone
    for text in (error, gone):
        assert SECRET not in text
        assert "pass-word" not in text


async def test_addresses_follow_the_rules_of_webhooks(receiver: HttpReceiver) -> None:
    for host in ("127.0.0.1", "localhost"):
        error = await ServiceClient(to_private=False).send(f"ntfy://{host}:{receiver.port}/{SECRET}", TEXT)
        assert error is not None
        assert "STOCKY_WEBHOOKS_TO_PRIVATE=true" in error
    error = await ServiceClient(to_private=True).send(f"json://169.254.169.254/{SECRET}", TEXT)
    assert error == "169.254.169.254 is an address to which notices are never sent"
    # A redirect to such an address is a connection like any other.
    receiver.statuses = ["307 Temporary Redirect\r\nLocation: http://169.254.169.254/latest"]
    error = await ServiceClient(to_private=True).send(f"json://127.0.0.1:{receiver.port}/{SECRET}", TEXT)
    assert error is not None
    assert len(receiver.arrived) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("syslog://", "not one of the services"),
        ("file:///etc/passwd", "not one of the services"),
        ("fcm://project@key/device?keyfile=/etc/passwd", "not one of the services"),
        ("tgram://123456789:abcdefg_hijklmnop/12345678/?template=/etc/passwd", "template is not allowed"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?tts=no;template=/tmp/x.json", "template is not allowed"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?%20template=/tmp/x.json", "template is not allowed"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js/#x?template=/tmp/x.json", "template is not allowed"),
        ("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?a=1;template=/x", "not allowed"),
        ("workflows://host.example.org/workflow/signature/?a=1;template=/tmp/x.json", "template is not allowed"),
        ("ntfy://ntfy.example.org/topic?a=1;+store=yes", "store is not allowed"),
        ("ntfy://ntfy.example.org/good/bad", "has 2 targets"),
        ("ntfy://ntfy.example.org/good?to=bad&retry=2", "has 2 targets"),
        ("slack://AAAAAAAAA/BBBBBBBBB/CCCCCCCCCCCCCCCCCCCCCCCC/#one/#two", "has 2 targets"),
        ("ntfys://user:pa\N{ACCOUNT OF}sword@ntfy.example.org/topic", "no address of a service"),
        ("ntfy://[/topic", "no address of a service"),
        ("https://example.org/", "no address of a service"),
        ("tgram://bad", "Telegram"),
        ("no address", "not one of the services"),
    ],
)
async def test_other_addresses_are_refused(url: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as refused:
        await ServiceClient(to_private=True).check(url)
    assert refused.value.field == "url"


@pytest.mark.parametrize("query", ["?a=b;mode={}", "#x?mode={}"])
async def test_no_parameter_is_repeated(query: str) -> None:
    with pytest.raises(Invalid, match="ntfy Mode") as refused:
        await ServiceClient(to_private=True).check("ntfy://ntfy.example.org/topic" + query.format(SECRET))
    assert SECRET not in str(refused.value.detail)


async def test_long_message_is_one_part(receiver: HttpReceiver) -> None:
    services = ServiceClient(to_private=True)
    long = NoticeText(TEXT.subject, "\n".join(["- Müsli expired."] * 600))
    url = f"mmost://127.0.0.1:{receiver.port}/abcdefghijklmnop/?overflow=split"
    assert await services.send(url, long) is None
    [arrived] = receiver.arrived
    assert len(arrived.json["text"]) <= 4_000
    assert arrived.json["text"].endswith("…")


async def test_usual_services_are_accepted() -> None:
    for url in (
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "matrixs://anna:pass-word@matrix.example.org/#stock",
        "gotifys://gotify.example.org/AbcdefghijkToken",
    ):
        await ServiceClient(to_private=False).check(url)


async def test_without_the_package_one_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_client, "find_spec", lambda name: None)
    services = ServiceClient(to_private=True)
    with pytest.raises(Conflict, match="pip install apprise"):
        await services.check("ntfy://ntfy.example.org/topic")
    error = await services.send("ntfy://ntfy.example.org/topic", TEXT)
    assert error == service_client.NOT_INSTALLED

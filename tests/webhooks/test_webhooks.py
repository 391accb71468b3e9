"""Webhooks as admins create, read and change them; a secret is shown once."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.webhooks.signing import make_secret
from tests.architecture.schema import run_beside
from tests.architecture.source import ROOT
from tests.inventory import Json, get, made, refused
from tests.webhooks.receiving import Receiver, hooked, post_events

pytestmark = pytest.mark.one_server

GUIDE = (ROOT / "docs" / "webhooks.md").read_text("utf-8")
OWN = "a secret of one's own, long enough".replace(" ", "_")


async def test_webhook_is_created_read_changed_and_deleted(admin: AsyncClient, receiver: Receiver) -> None:
    types = ["alert.raised", "stock.recorded", "alert.raised"]
    webhook = await hooked(admin, receiver, *types, description="Hall")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", webhook["secret"])
    assert (webhook["url"], webhook["description"], webhook["is_active"]) == (receiver.url, "Hall", True)
    assert (webhook["position"], webhook["waiting"], webhook["failing_since"]) == (0, 0, None)
    path = f"/webhooks/{webhook['id']}"
    seen = await get(admin, path)
    assert seen == {name: value for name, value in webhook.items() if name != "secret"}
    assert await get(admin, "/webhooks/") == [seen]
    assert await get(admin, "/webhooks/", skip=1) == []
    changed = made(await admin.patch(path, json={"description": "Kitchen", "event_types": ["ALERT.raised"]}))
    assert (changed["description"], changed["event_types"], changed["url"]) == (
        "Kitchen", ["alert.raised"], receiver.url,
    )  # fmt: skip
    assert (await admin.delete(path)).status_code == 204
    refused(await admin.get(path), 404, str(webhook["id"]))
    assert await get(admin, "/webhooks/") == []


async def test_secret_is_shown_once_and_never_logged(
    admin: AsyncClient,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    item: Json,
    shelf: Json,
    member: AsyncClient,
) -> None:
    caplog.set_level("DEBUG")
    webhook = await hooked(admin, receiver, secret=OWN)
    assert webhook["secret"] == OWN
    path = f"/webhooks/{webhook['id']}"
    rotated = made(await admin.post(f"{path}/rotate-secret"))
    assert rotated["secret"] not in (OWN, None)
    await post_events(member, item, shelf)
    await receiver.until(1)
    made(await admin.patch(path, json={"url": receiver.url + "2", "description": "x"}))
    answers = [
        await get(admin, path),
        await get(admin, "/webhooks/"),
        await get(admin, f"{path}/deliveries"),
        await get(admin, f"{path}/deliveries/1"),
        made(await admin.patch(path, json={"is_active": False})),
        await get(admin, "/settings"),
    ]
    assert (await admin.delete(path)).status_code == 204
    audit = await get(admin, "/audit", subject="webhook")
    assert [entry["action"] for entry in audit] == ["deleted", "changed", "changed", "rotated", "created"]
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("stocky"))
    for secret in (OWN, rotated["secret"]):
        assert secret not in json.dumps(answers)
        assert secret not in json.dumps(audit)
        assert secret not in logged
    # The path of a receiver like Home Assistant's is secret.
    assert "very-secret-path" not in json.dumps(audit) + logged


@pytest.mark.one_database
def test_server_log_has_no_paths_and_secrets(serve: Any, keys: dict[str, str]) -> None:
    import httpx

    with serve() as server, httpx.Client(base_url=server.api, headers={"X-API-Key": keys["admin"]}) as admin:
        webhook = made(
            admin.post(
                "/webhooks/", json={"url": "http://127.0.0.1:9/very-secret-path", "event_types": ["alert.raised"]}
            )
        )
        made_ping = admin.post(f"/webhooks/{webhook['id']}/test")
        assert made_ping.status_code == 202
        for _ in range(200):
            [delivery] = admin.get(f"/webhooks/{webhook['id']}/deliveries").json()
            if delivery["attempts"]:
                break
        assert "cannot be reached" in delivery["error"]
        assert "cannot be reached" in server.log
        assert "very-secret-path" not in server.log
        assert webhook["secret"] not in server.log


WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "no url": ({"url": ""}, 422, "url"),
    "a file": ({"url": "file:///etc/passwd"}, 422, "https://"),
    "no host": ({"url": "http:///hook"}, 422, "url"),
    "a word": ({"url": "hook"}, 422, "https://"),
    "no port": ({"url": "http://example.org:99999/"}, 422, "url"),
    "port 0": ({"url": "http://example.org:0/"}, 422, "no port 0"),
    "a password": ({"url": "https://me:secret@example.org/"}, 422, "password"),
    "a fragment": ({"url": "https://example.org/#x"}, 422, "#"),
    "link-local": ({"url": "http://169.254.169.254/latest/meta-data"}, 422, "webhooks are never sent"),
    "nowhere": ({"url": "http://0.0.0.0/"}, 422, "webhooks are never sent"),
    "mapped": ({"url": "http://[::ffff:169.254.169.254]/"}, 422, "webhooks are never sent"),
    "long when encoded": ({"url": "http://127.0.0.1/" + "ü" * 1000}, 422, "longer than 2000"),
    "no types": ({"event_types": []}, 422, "event_types"),
    "other types": ({"event_types": ["stock.lost"]}, 422, "event_types"),
    "a short secret": ({"secret": "x" * 31}, 422, "secret"),
    "blanks": ({"secret": "x " * 20}, 422, "without blanks"),
    "accents": ({"secret": "é" * 40}, 422, "printable ASCII"),
    "no base64": ({"secret": "whsec_" + "!" * 40}, 422, "base64"),
    "little base64": ({"secret": "whsec_" + "QUFB" * 7}, 422, "24 to 64 bytes"),
}


@pytest.mark.one_database
@pytest.mark.parametrize("what", WRONG)
async def test_invalid_webhook_is_rejected(admin: AsyncClient, receiver: Receiver, what: str) -> None:
    fields, status, word = WRONG[what]
    body = {"url": receiver.url, "event_types": ["stock.recorded"], **fields}
    problem = (await admin.post("/webhooks/", json=body)).json()
    assert problem["status"] == status
    assert word in json.dumps(problem)
    assert await get(admin, "/webhooks/") == []


SPELT = {
    "HTTPS://Hook.Example.ORG/Some%20Path?A=b": "https://hook.example.org/Some%20Path?A=b",
    "hTTp://127.0.0.1:8123": "http://127.0.0.1:8123",
    "http://127.0.0.1/Küche": "http://127.0.0.1/K%C3%BCche",
}


@pytest.mark.parametrize("url", SPELT)
async def test_url_is_stored_normalised(admin: AsyncClient, url: str) -> None:
    types = ["stock.recorded"]
    webhook = made(await admin.post("/webhooks/", json={"url": url, "event_types": types, "is_active": False}))
    assert webhook["url"] == SPELT[url]
    path = f"/webhooks/{webhook['id']}"
    assert made(await admin.patch(path, json={"url": "http://127.0.0.1/"}))["url"] == "http://127.0.0.1/"
    assert made(await admin.patch(path, json={"url": url}))["url"] == SPELT[url]


async def test_both_databases_accept_the_same_urls(admin: AsyncClient, receiver: Receiver, config: Config) -> None:
    webhook = await hooked(admin, receiver)
    await run_beside(config, f"UPDATE webhook SET url = 'HTTP://127.0.0.1:{receiver.port}/'")
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202
    await receiver.until(1)


@pytest.mark.parametrize("stored", ['["stock.lost","STOCK.recorded",1]', "{}", "no JSON", ""])
async def test_unknown_event_types_are_ignored(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, config: Config, item: Json, shelf: Json, stored: str
) -> None:
    odd, other = await hooked(admin, receiver), await hooked(admin, receiver)
    await run_beside(config, f"UPDATE webhook SET event_types = '{stored}' WHERE id = {odd['id']}")
    known = ["stock.recorded"] if "STOCK" in stored else []
    assert [each["event_types"] for each in await get(admin, "/webhooks/")] == [known, ["stock.recorded"]]
    await post_events(member, item, shelf)
    for received in await receiver.until(1 + len(known)):
        assert received.is_signed_by(other["secret"]) or (known and received.is_signed_by(odd["secret"]))
    path = f"/webhooks/{odd['id']}"
    assert made(await admin.patch(path, json={"description": "x"}))["event_types"] == known
    assert made(await admin.patch(path, json={"event_types": ["alert.raised"]}))["event_types"] == ["alert.raised"]


@pytest.mark.one_database
async def test_number_of_webhooks_is_bounded(admin: AsyncClient, receiver: Receiver) -> None:
    for _ in range(50):
        await hooked(admin, receiver, is_active=False)
    body = {"url": receiver.url, "event_types": ["stock.recorded"]}
    refused(await admin.post("/webhooks/", json=body), 409, "50")


async def test_unknown_webhook_is_not_found(admin: AsyncClient, receiver: Receiver) -> None:
    webhook = await hooked(admin, receiver)
    for method, path in (
        ("PATCH", "/webhooks/99"), ("DELETE", "/webhooks/99"), ("POST", "/webhooks/99/rotate-secret"),
        ("POST", "/webhooks/99/test"), ("GET", "/webhooks/99/deliveries"),
        ("POST", f"/webhooks/{webhook['id']}/deliveries/99/redeliver"),
        ("GET", f"/webhooks/{webhook['id']}/deliveries/99"),
    ):  # fmt: skip
        body = {"description": "x"} if method == "PATCH" else None
        refused(await admin.request(method, path, json=body), 404, "99")


async def test_code_of_the_guide_verifies_signatures(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json
) -> None:
    found = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert found
    lines: dict[str, Any] = {}
    exec(found[1], lines)
    webhook = await hooked(admin, receiver)
    await post_events(member, item, shelf)
    [received] = await receiver.until(1)
    assert lines["is_from_stocky"](webhook["secret"], received.headers, received.body)
    assert not lines["is_from_stocky"](make_secret(), received.headers, received.body)
    assert not lines["is_from_stocky"](webhook["secret"], received.headers, received.body + b" ")
    old = received.headers | {"webhook-timestamp": "1700000000"}
    assert not lines["is_from_stocky"](webhook["secret"], old, received.body)


async def test_previous_secret_signs_for_a_day_after_rotation(
    admin: AsyncClient, receiver: Receiver, config: Config
) -> None:
    webhook = await hooked(admin, receiver, secret=OWN)
    rotated = made(await admin.post(f"/webhooks/{webhook['id']}/rotate-secret"))
    path = f"/webhooks/{webhook['id']}/test"
    assert (await admin.post(path)).status_code == 202
    [first] = await receiver.until(1)
    assert first.is_signed_by(OWN)
    assert first.is_signed_by(rotated["secret"])
    await run_beside(config, "UPDATE webhook SET former_until = '2026-01-01T00:00:00.000000Z'")
    assert (await admin.post(path)).status_code == 202
    [_, second] = await receiver.until(2)
    assert second.is_signed_by(rotated["secret"])
    assert not second.is_signed_by(OWN)

"""What every answer carries, whatever it answers."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize("path", ["items/", "items/999999", "no/such/address"])
async def test_every_answer_has_a_request_id_and_cannot_be_framed_or_guessed_at(
    admin: httpx.AsyncClient, path: str
) -> None:
    answer = await admin.get(path)
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


async def test_a_request_id_of_a_proxy_is_kept_when_it_is_harmless(admin: httpx.AsyncClient) -> None:
    kept = await admin.get("items/", headers={"X-Request-ID": "from-the-proxy.1"})
    made = await admin.get("items/", headers={"X-Request-ID": "<script>"})
    assert kept.headers["x-request-id"] == "from-the-proxy.1"
    assert made.headers["x-request-id"] != "<script>"


async def test_only_answers_over_tls_ask_to_stay_there(admin: httpx.AsyncClient) -> None:
    plain = await admin.get("items/")
    over_tls = await admin.get(str(admin.base_url.join("items/").copy_with(scheme="https")))
    assert "strict-transport-security" not in plain.headers
    assert over_tls.headers["strict-transport-security"].startswith("max-age=")

"""Headers of every response."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize("path", ["items/", "items/999999", "no/such/address"])
async def test_every_response_has_request_id_and_security_headers(admin: httpx.AsyncClient, path: str) -> None:
    answer = await admin.get(path)
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


async def test_well_formed_request_id_of_proxy_is_used(admin: httpx.AsyncClient) -> None:
    answer = await admin.get("items/", headers={"X-Request-ID": "from-the-proxy.1"})
    made = await admin.get("items/", headers={"X-Request-ID": "<script>"})
    assert answer.headers["x-request-id"] == "from-the-proxy.1"
    assert made.headers["x-request-id"] != "<script>"


async def test_only_tls_responses_have_hsts(admin: httpx.AsyncClient) -> None:
    plain = await admin.get("items/")
    over_tls = await admin.get(str(admin.base_url.join("items/").copy_with(scheme="https")))
    assert "strict-transport-security" not in plain.headers
    assert over_tls.headers["strict-transport-security"].startswith("max-age=")

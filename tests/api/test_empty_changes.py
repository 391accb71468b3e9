"""A change without a known field changes nothing: neither the version nor the time of the last change."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from tests.inventory import get, made, refused

pytestmark = pytest.mark.usefixtures("one_of_each")


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """With a mail server, which no message is sent to."""
    return environ | {"STOCKY_SMTP_HOST": "127.0.0.1", "STOCKY_SMTP_FROM": "stocky@example.org"}


PATHS = [
    "/items/1", "/skus/1", "/locations/1", "/boxes/1", "/types/1", "/types/1/fields/1", "/projects/1",
    "/shopping-lists/1", "/webhooks/1", "/prices/1", "/notices/channels/1",
]  # fmt: skip


@pytest.mark.parametrize("body", [{}, {"colour": "blue"}], ids=["empty", "unknown field"])
async def test_empty_change_changes_nothing(admin: AsyncClient, body: dict[str, str]) -> None:
    made(await admin.post("/types", json={"name": "Food"}))
    made(await admin.post("/types/1/fields", json={"name": "Grade"}))
    hook = {"url": "https://example.org/hook", "event_types": ["stock.recorded"], "is_active": False}
    made(await admin.post("/webhooks", json=hook))
    channel = {"name": "Mail", "recipients": ["anna@example.org"], "is_active": False}
    made(await admin.post("/notices/channels", json=channel))
    audited = await get(admin, "/audit", limit=1000)
    for path in PATHS:
        before = await get(admin, path)
        for method in ("PUT", "PATCH"):
            answer = await admin.request(method, path, json=body)
            if answer.status_code != 405:
                assert made(answer) == before, (method, path)
        assert await get(admin, path) == before, path
    user = await get(admin, "/auth/me")
    assert made(await admin.put(f"/users/{user['id']}", json=body)) == user
    assert await get(admin, "/audit", limit=1000) == audited


async def test_empty_change_of_an_old_version_is_refused(admin: AsyncClient) -> None:
    for path in ("/items/1", "/skus/1"):
        refused(await admin.patch(path, json={}, headers={"If-Match": '"99"'}), 412)

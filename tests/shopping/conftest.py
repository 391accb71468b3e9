"""A second member, for permissions between members."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from tests.conftest import ORIGIN
from tests.inventory import made
from tests.people import PASSWORD


@pytest.fixture
async def other_member(app: Litestar, admin: AsyncClient) -> AsyncIterator[AsyncClient]:
    user = made(
        await admin.post("/users/", json={"username": "other", "email": "other@example.org", "password": PASSWORD})
    )
    key = made(await admin.post(f"/users/{user['id']}/api-keys", json={"name": "tests"}))["api_key"]
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", headers={"X-API-Key": key}) as client:
        yield client

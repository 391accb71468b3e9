"""Clients of several processes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from httpx import ASGITransport, AsyncClient

from stocky.app import create_app
from stocky.config import Config
from tests.conftest import started


@pytest.fixture
async def members(config: Config, member: AsyncClient) -> AsyncIterator[list[AsyncClient]]:
    """A member's clients, one per process: one process on SQLite, two on Postgres."""
    if config.dialect == "sqlite":
        yield [member]
        return
    async with started(create_app(config)) as other:
        transport = ASGITransport(app=other, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url=member.base_url, headers=member.headers) as client:
            yield [member, client]

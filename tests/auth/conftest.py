"""Signing in, and a second process on the same database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from stocky.app import create_app
from stocky.config import Config
from stocky.db import Connection, Database
from stocky.db.queries import compile_query
from tests.conftest import ORIGIN
from tests.people import PASSWORD

Tokens = dict[str, Any]
SignIn = Callable[..., Awaitable[Tokens]]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def sign_in(client: AsyncClient) -> SignIn:
    """Signs a user in with the password of all test users."""

    async def sign_in(username: str = "member", password: str = PASSWORD, **more: Any) -> Tokens:
        answer = await client.post("/auth/login-json", json={"username": username, "password": password, **more})
        assert answer.status_code == 200, answer.text
        tokens: Tokens = answer.json()
        return tokens

    return sign_in


@pytest.fixture
async def elsewhere(config: Config, app: Litestar) -> AsyncIterator[AsyncClient]:
    """A client of a second application on the same database that shares nothing with `app`, like another process."""
    other = create_app(config)
    await other.state.database.open()
    other.state.identities.start()
    transport = ASGITransport(app=other, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1") as client:
        yield client
    await other.state.identities.close()
    await other.state.database.close()


@pytest.fixture
def statement(app: Litestar) -> Callable[..., Awaitable[int]]:
    """Runs an SQL statement of the test in the application's database."""
    database: Database = app.state.database

    async def run(text: str, **arguments: Any) -> int:
        database.queries["test_statement"] = compile_query("test_statement", text, database.dialect)  # type: ignore[attr-defined]
        async with database.transaction() as tx:
            return await _execute(tx, arguments)

    return run


async def _execute(tx: Connection, arguments: dict[str, Any]) -> int:
    return await tx.execute("test_statement", **arguments)

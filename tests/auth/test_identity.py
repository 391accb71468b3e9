"""Principals are cached without queries, and never longer than allowed."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.auth.identity import CHECK_EVERY_SECONDS, TRUST_SECONDS, Identities
from stocky.config import Config
from stocky.db import Lane, make_database
from tests.architecture.source import ROOT
from tests.auth.conftest import SignIn, bearer

Credentials = dict[str, str]
OF_IDENTITIES = set(re.findall(r"^-- (\w+) --$", (ROOT / "sql" / "auth.sql").read_text("utf-8"), re.MULTILINE))


class Asked(dict[str, Any]):
    """The queries of a database; records the names of those that run."""

    def __init__(self, queries: dict[str, Any]) -> None:
        super().__init__(queries)
        self.names: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.names.append(name)
        return super().__getitem__(name)


@pytest.fixture
def asked(app: Litestar) -> Asked:
    """The queries that the application runs from now on."""
    database = app.state.database
    database.queries = Asked(database.queries)
    queries: Asked = database.queries
    return queries


@pytest.fixture
def by_key(keys: dict[str, str]) -> Credentials:
    """The credentials of the member, by API key."""
    return {"X-API-Key": keys["member"]}


@pytest.mark.parametrize("way", ["key", "token"])
async def test_cached_principal_needs_no_query(
    client: AsyncClient, sign_in: SignIn, by_key: Credentials, asked: Asked, way: str
) -> None:
    headers = by_key if way == "key" else bearer((await sign_in())["access_token"])
    assert (await client.get("/auth/me", headers=headers)).status_code == 200
    assert "get_user" in asked.names
    asked.names.clear()
    for _ in range(50):
        assert (await client.get("/auth/me", headers=headers)).status_code == 200
    # The revision check runs on a timer, not per request; queries of jobs do not count.
    assert OF_IDENTITIES & set(asked.names) <= {"get_auth_revision"}
    assert asked.names.count("get_auth_revision") < 25


@pytest.mark.parametrize("what", ["key", "user", "token", "role"])
async def test_a_change_of_another_process_is_noticed_within_a_second(
    client: AsyncClient,
    elsewhere: AsyncClient,
    admin: AsyncClient,
    signed_in_admin: AsyncClient,
    sign_in: SignIn,
    by_key: Credentials,
    what: str,
) -> None:
    tokens = await sign_in()
    headers = bearer(tokens["access_token"]) if what == "token" else by_key
    assert (await client.get("/auth/me", headers=headers)).json()["role"] == "member"
    path = f"/users/{tokens['user_id']}"
    as_admin = dict(admin.headers)
    if what == "key":
        key_id = (await admin.get(f"{path}/api-keys")).json()[0]["id"]
        changed = await elsewhere.delete(f"{path}/api-keys/{key_id}", headers=as_admin)
    elif what == "token":
        changed = await elsewhere.post("/auth/logout", headers=headers)
    else:
        change = {"is_active": False} if what == "user" else {"role": "read_only"}
        changed = await elsewhere.put(path, json=change, headers=dict(signed_in_admin.headers))
    assert changed.is_success
    await asyncio.sleep(TRUST_SECONDS)
    answer = await client.get("/auth/me", headers=headers)
    if what == "role":
        assert answer.json()["role"] == "read_only"
    else:
        assert answer.status_code == 401


async def test_principal_read_during_a_change_is_not_cached(
    app: Litestar, admin: AsyncClient, by_key: Credentials
) -> None:
    identities: Identities = app.state.identities
    key = by_key["X-API-Key"].encode()
    member_id = (await admin.get("/users/?skip=1&limit=1")).json()[0]["id"]
    reading, go_on = asyncio.Event(), asyncio.Event()
    read = app.state.database.read

    class SlowRead:
        """A read whose connection is returned late; it does not use the identity lane that other requests need."""

        def __init__(self, lane: Lane) -> None:
            assert lane is Lane.IDENTITY

        async def __aenter__(self) -> Any:
            self._read = read()
            return await self._read.__aenter__()

        async def __aexit__(self, *error: Any) -> None:
            await self._read.__aexit__(*error)
            reading.set()
            await go_on.wait()

    assert (await admin.get("/auth/me")).status_code == 200
    app.state.database.read = SlowRead
    scope: Any = {"type": "http", "headers": [(b"x-api-key", key)]}
    slow = asyncio.create_task(identities.identify(scope))
    await reading.wait()
    app.state.database.read = read
    assert (await admin.put(f"/users/{member_id}", json={"is_active": False})).status_code == 200
    go_on.set()
    assert (await slow).id == member_id
    async with AsyncClient(transport=admin._transport, base_url=admin.base_url) as client:
        assert (await client.get("/auth/me", headers=by_key)).status_code == 401


async def test_cache_is_not_trusted_while_the_database_is_unreachable(
    client: AsyncClient, statement: Any, sign_in: SignIn, by_key: Credentials
) -> None:
    headers = bearer((await sign_in())["access_token"])
    for known in (headers, by_key):
        assert (await client.get("/auth/me", headers=known)).status_code == 200
    await statement("ALTER TABLE auth_revision RENAME TO lost")
    await asyncio.sleep(TRUST_SECONDS)
    for known in (headers, by_key):
        answer = await client.get("/auth/me", headers=known)
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
    await statement("ALTER TABLE lost RENAME TO auth_revision")
    for known in (headers, by_key):
        assert (await client.get("/auth/me", headers=known)).status_code == 200


async def test_last_use_of_a_key_is_stored_at_shutdown(
    client: AsyncClient, app: Litestar, member: AsyncClient, by_key: Credentials
) -> None:
    assert (await member.get("/api-keys")).json()[0]["last_used_at"] is None
    before = datetime.now(UTC)
    assert (await client.get("/auth/me", headers=by_key)).status_code == 200
    await app.state.identities.close()
    app.state.identities.start()
    used_at = datetime.fromisoformat((await member.get("/api-keys")).json()[0]["last_used_at"])
    assert before - timedelta(milliseconds=1) <= used_at <= datetime.now(UTC)


async def test_expired_sessions_are_removed(config: Config, sign_in: SignIn, statement: Any) -> None:
    await sign_in()
    await statement("UPDATE sign_in SET expires_at = :past", past=datetime.now(UTC) - timedelta(seconds=1))
    await sign_in()
    database = make_database(config)
    await database.open()
    identities = Identities(database, config)
    identities.start()
    await asyncio.sleep(CHECK_EVERY_SECONDS)
    await identities.close()
    await database.close()
    assert await statement("UPDATE sign_in SET is_remembered = is_remembered") == 1
    assert await statement("UPDATE refresh_token SET used_at = used_at") == 1

"""Streams of logs, jobs and imports end when their client may no longer see them; that of a restore ends with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from httpx import AsyncClient, Response
from litestar import Litestar

from stocky.config import Config
from stocky.http.sse import ADMIT_SECONDS
from stocky.imports.service import KIND as IMPORT
from stocky.jobs.jobs import Jobs
from stocky.progress import ProgressCallback
from tests.architecture.schema import run_beside
from tests.inventory import Json, get, made
from tests.webhooks.receiving import until_so

pytestmark = pytest.mark.one_server

LOSSES = ["sign-out", "password change", "demotion", "deactivation"]
PASSWORD = "difference engine"
Open = Callable[[str], Awaitable[asyncio.Task[Response]]]


@pytest.fixture
def jobs(app: Litestar) -> Jobs:
    found: Jobs = app.state.jobs
    return found


@pytest.fixture
async def user(signed_in_admin: AsyncClient, client: AsyncClient) -> Json:
    """Another admin, with whose session `client` sends requests."""
    ada = {"username": "ada", "email": "ada@example.org", "password": PASSWORD, "role": "admin"}
    user = made(await signed_in_admin.post("/users/", json=ada))
    session = made(await client.post("/auth/login-json", json={"username": "ada", "password": PASSWORD}))
    client.headers["Authorization"] = f"Bearer {session['access_token']}"
    return user


@pytest.fixture
async def follow(app: Litestar, client: AsyncClient, user: Json) -> AsyncIterator[Open]:
    """`await follow(path)` opens a stream of the user; its response is complete when the stream has ended."""
    opened: list[asyncio.Task[Response]] = []

    async def follow(path: str) -> asyncio.Task[Response]:
        opened.append(asyncio.create_task(client.get(path)))
        await until_so(are_open)
        return opened[-1]

    async def are_open() -> bool:
        return bool(app.state.streams.count >= len(opened))

    yield follow
    app.state.streams.end()
    await asyncio.wait(opened)


async def _endless(report: ProgressCallback) -> None:
    await asyncio.Event().wait()


async def _lose(what: str, admin: AsyncClient, client: AsyncClient, user: Json) -> None:
    if what == "sign-out":
        answer = await client.post("/auth/logout")
    elif what == "password change":
        # It ends all sessions but that which changes it.
        session = made(await client.post("/auth/login-json", json={"username": "ada", "password": PASSWORD}))
        change = {"current_password": PASSWORD, "new_password": "analytical engine"}
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        answer = await client.post("/auth/change-password", json=change, headers=headers)
    else:
        change = {"role": "member"} if what == "demotion" else {"is_active": False}
        answer = await admin.put(f"/users/{user['id']}", json=change)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("what", LOSSES)
async def test_streams_end(
    what: str, jobs: Jobs, follow: Open, signed_in_admin: AsyncClient, client: AsyncClient, user: Json
) -> None:
    job = await jobs.run_here("test", _endless, by=None)
    # A member may see own imports, and this one is the admin's.
    table = await jobs.run_here(IMPORT, _endless, by="admin")
    paths = ["/logs/stream", f"/jobs/{job.id}/events", f"/imports/{table.id}/events"]
    opened = [await follow(path) for path in paths]
    await asyncio.sleep(1.5 * ADMIT_SECONDS)
    assert [each.done() for each in opened] == [False, False, False]
    await _lose(what, signed_in_admin, client, user)
    await asyncio.wait(opened, timeout=5 * ADMIT_SECONDS)
    assert [path for path, each in zip(paths, opened, strict=True) if not each.done()] == []


async def test_member_follows_an_own_import(config: Config, jobs: Jobs, member: AsyncClient) -> None:
    async def work(report: ProgressCallback) -> str:
        await asyncio.sleep(2.5 * ADMIT_SECONDS)
        return "all"

    job = await jobs.run_here(IMPORT, work, by="member")
    user_id = (await get(member, "/auth/me"))["id"]
    await run_beside(config, f"UPDATE job SET parameters = '{{\"user_id\": {user_id}}}' WHERE id = {job.id}")
    answer = await member.get(f"/imports/{job.id}/events")
    assert _events(answer)[-1]["status"] == "done"


async def test_stream_of_a_restore_outlives_the_session_that_it_ends(
    app: Litestar, jobs: Jobs, follow: Open, client: AsyncClient
) -> None:
    """What else the session follows ends."""
    replacing, replaced, going_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def replace(report: ProgressCallback) -> str:
        await replacing.wait()
        gate = app.state.database.gate
        async with gate.drained():
            gate.data_replaced()
        replaced.set()
        await going_on.wait()
        return "all"

    job = await jobs.run_here("test", _endless, by=None)
    others = [await follow("/logs/stream"), await follow(f"/jobs/{job.id}/events")]
    restore = await follow(f"/jobs/{(await jobs.run_here('backup.restore', replace, by='ada')).id}/events")
    replacing.set()
    await replaced.wait()
    # The session ends with the old data.
    assert (await client.post("/auth/logout")).status_code == 200
    await asyncio.wait(others, timeout=5 * ADMIT_SECONDS)
    await asyncio.sleep(1.5 * ADMIT_SECONDS)
    assert [each.done() for each in (*others, restore)] == [True, True, False]
    going_on.set()
    assert _events(await asyncio.wait_for(restore, 5))[-1]["status"] == "done"


def _events(answer: Response) -> list[Json]:
    lines = answer.text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]

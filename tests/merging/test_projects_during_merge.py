"""Projects changed while an item that they need is merged, on Postgres: the change waits, and finds what it means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from httpx import AsyncClient, Response

from stocky.config import Config
from stocky.merging import repository
from tests.db.postgres_session import session
from tests.inventory import Json, get, made, new_item
from tests.merging.merges import merge, unmerge
from tests.projects.plans import new_project
from tests.shopping.lists import new_list, on

pytestmark = pytest.mark.one_server

During = Callable[[Json, Json, Coroutine[Any, Any, Response]], Awaitable[Response]]


@pytest.fixture
def during(config: Config, member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> During:
    """Sends a request when a merge has moved the entries of projects and is not committed yet."""
    if config.dialect == "sqlite":
        pytest.skip("on SQLite nothing is written beside a merge")
    move_documents = repository.move_documents

    async def run(source: Json, target: Json, request: Coroutine[Any, Any, Response]) -> Response:
        sent: list[asyncio.Task[Response]] = []

        async def send_first(*asked: Any) -> list[int]:
            if sent:
                return await move_documents(*asked)
            async with session(config) as other:
                sent.append(asyncio.create_task(request))
                waiting = asyncio.create_task(other.blocked())
                await asyncio.wait([sent[0], waiting], return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            return await move_documents(*asked)

        monkeypatch.setattr(repository, "move_documents", send_first)
        await merge(member, source, target)
        return await sent[0]

    return run


async def needed(member: AsyncClient, project: Json) -> dict[str, float]:
    """What a project needs, by name."""
    return {
        each["item"]["name"]: each["quantity"] for each in (await get(member, f"/projects/{project['id']}"))["items"]
    }


async def test_missing_item_goes_on_the_list_as_the_one_it_was_merged_into(member: AsyncClient, during: During) -> None:
    source, target = await new_item(member, "A"), await new_item(member, "B")
    project, food = await new_project(member, (source, 2)), await new_list(member)
    request = member.post(f"/projects/{project['id']}/shopping-list", json={"list_id": food["id"]})
    made(await during(source, target, request))
    assert await on(member, food) == {"B": 2}
    await unmerge(member, source)


@pytest.mark.parametrize("has_both", [False, True])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_changing_a_need_of_a_merged_item_finds_none(
    method: str, has_both: bool, member: AsyncClient, during: During
) -> None:
    source, target = await new_item(member, "A"), await new_item(member, "B")
    project = await new_project(member, (source, 2), *([(target, 3)] if has_both else []))
    path = f"/projects/{project['id']}/items/{source['id']}"
    answer = await during(source, target, member.request(method, path, json={"quantity": 7}))
    assert answer.status_code == 404, answer.text
    assert await needed(member, project) == {"B": 5 if has_both else 2}

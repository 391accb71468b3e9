"""The limits of a day hold for all processes together, and are counted before anything is sent."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest
from httpx import AsyncClient

from stocky import clock
from stocky.assistance import repository
from stocky.assistance.repository import Usage
from stocky.config import Config
from stocky.db import Database, make_database
from tests.architecture.schema import run_beside
from tests.assistance.model import Model, asked, completion, ended, error, suggests
from tests.backup.dumps import restore, take
from tests.inventory import get, new_item, refused

DAY = date(2026, 1, 31)


@pytest.mark.parametrize("settings", [{"STOCKY_AI_DAILY_REQUESTS": "2"}])
async def test_requests_of_a_day_are_limited(member: AsyncClient, model: Model, config: Config) -> None:
    items = [await new_item(member, f"Item {number}") for number in range(3)]
    model.usual = error(500)
    for item in items[:2]:
        # Those that fail count as well.
        await asked(member, item)
    answer = await member.post(f"/items/{items[2]['id']}/suggestions")
    refused(answer, 429, "2 requests", "00:00 UTC", "STOCKY_AI_DAILY_REQUESTS")
    assert 0 < int(answer.headers["retry-after"]) <= 86_400
    assert len(model.asked) == 2
    # The day after.
    await run_beside(config, f"UPDATE assistance_usage SET day = '{clock.today() - timedelta(days=1)}'")
    model.usual = suggests(tags=["npn"])
    assert (await asked(member, items[2]))["status"] == "done"


@pytest.mark.parametrize("settings", [{"STOCKY_AI_DAILY_REQUESTS": "1"}])
async def test_job_that_finds_the_limit_reached_sends_nothing(member: AsyncClient, model: Model) -> None:
    first, second = await new_item(member), await new_item(member, "Other")
    jobs = [await member.post(f"/items/{each['id']}/suggestions") for each in (first, second)]
    assert [each.status_code for each in jobs] == [202, 202]
    ends = [await ended(member, each) for each in (first, second)]
    assert sorted(each["status"] for each in ends) == ["done", "failed"]
    assert [each["error_status"] for each in ends if each["status"] == "failed"] == [429]
    assert len(model.asked) == 1


@pytest.mark.parametrize("settings", [{"STOCKY_AI_DAILY_TOKENS": "50000"}])
async def test_tokens_of_a_day_are_limited(member: AsyncClient, model: Model) -> None:
    item = await new_item(member)
    model.usual = completion("{}", tokens=49_000)
    assert (await asked(member, item))["status"] == "done"
    job = await asked(member, item)
    assert (job["status"], job["error_status"]) == ("failed", 429)
    assert len(model.asked) == 1


@pytest.mark.parametrize("tokens", [None, -5, 10**12, "many", 1.5])
async def test_wrong_count_of_tokens_leaves_the_estimate(member: AsyncClient, model: Model, tokens: object) -> None:
    model.usual = completion("{}", tokens=tokens)  # type: ignore[arg-type]  # hostile on purpose
    assert (await asked(member, await new_item(member)))["status"] == "done"
    assert 4_000 < (await get(member, "/assistance"))["tokens"] < 10_000


async def test_processes_share_the_limits(config: Config, database: Database) -> None:
    other = make_database(config) if config.dialect == "postgres" else database
    if other is not database:
        await other.open()

    async def reserve(each: Database) -> bool:
        async with each.transaction() as tx:
            return await repository.reserve_usage(tx, DAY, 10, most_requests=7, most_tokens=1_000)

    results = await asyncio.gather(*(reserve(each) for each in [database, other] * 8))
    assert sum(results) == 7
    async with database.read() as read:
        assert await repository.get_usage(read, DAY) == Usage(7, 70)
        assert await repository.get_usage(read, DAY + timedelta(days=1)) == Usage()
    async with database.transaction() as tx:
        assert not await repository.reserve_usage(tx, DAY, 1_000, most_requests=99, most_tokens=1_000)
        await repository.settle_usage(tx, DAY, -1_000)
        assert (await repository.get_usage(tx, DAY)).tokens == 0
        # Old days are forgotten.
        assert await repository.reserve_usage(tx, DAY + timedelta(days=40), 1, most_requests=1, most_tokens=1)
        assert await repository.get_usage(tx, DAY) == Usage()
    if other is not database:
        await other.close()


async def test_restore_keeps_the_limits_and_brings_suggestions_back(
    admin: AsyncClient, member: AsyncClient, model: Model
) -> None:
    item = await new_item(admin)
    model.usual = suggests(tags=["npn", "pnp"])
    await asked(admin, item)
    [first, _] = await get(admin, "/suggestions")
    assert (await admin.post(f"/suggestions/{first['id']}/reject")).status_code == 200
    dump = await take(admin)
    await asked(admin, item)
    assert (await admin.post(f"/suggestions/{first['id'] + 1}/reject")).status_code == 200
    await restore(admin, dump)
    assert [each["status"] for each in await get(admin, "/suggestions")] == ["rejected", "open"]
    assert (await get(admin, "/assistance"))["requests"] == 2
    assert (await asked(admin, item))["result"]["suggestions"] == 0

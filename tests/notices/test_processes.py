"""Notices of real processes: a restart sends nothing again, and several on one Postgres send each cause once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack

import pytest
from httpx import AsyncClient

from stocky.config import Config
from tests.architecture.schema import run_beside
from tests.inventory import Json, new_item
from tests.notices.receiving import MailServer, new_channel, until_so
from tests.serving import Server

Serve = Callable[..., AbstractContextManager[Server]]
PROCESSES, ITEMS = 3, 12
A_WHILE = 3.0
# Looks are made all the time, and a lease of a killed process ends after two seconds instead of 110.
IMPATIENT = (
    sys.executable,
    "-c",
    "import sys; from datetime import timedelta as t; import stocky.notices.service as s;"
    " s.LOOK_SECONDS = 0.2; s.LEASE = t(seconds=2); s.MARGIN = t(seconds=1);"
    " s.FIRST_BACK_OFF = s.LAST_BACK_OFF = t(seconds=0.3);"
    " from stocky.cli import main; sys.exit(main())",
)

pytestmark = [pytest.mark.one_server, pytest.mark.slow]


async def _client(stack: AsyncExitStack, server: Server, keys: dict[str, str]) -> AsyncClient:
    client = AsyncClient(base_url=server.api, headers={"X-API-Key": keys["admin"]}, timeout=60)
    return await stack.enter_async_context(client)


def _reported(mail: MailServer) -> list[str]:
    """The lines of all messages about items, in alphabetical order."""
    lines = [line.removeprefix("- ") for text in mail.texts for line in text.split("\n")[1:]]
    return sorted(line for line in lines if "minimum" in line)


async def _until_recorded(config: Config, count: int) -> None:
    async def is_recorded() -> bool:
        return len(await run_beside(config, "SELECT 1 FROM notice_sent")) == count

    await until_so(is_recorded)


async def test_restarts_send_nothing_again(
    serve: Serve, keys: dict[str, str], config: Config, mail: MailServer
) -> None:
    for number in range(3):
        async with AsyncExitStack() as stack:
            server = stack.enter_context(serve(command=IMPATIENT))
            admin = await _client(stack, server, keys)
            if number == 0:
                await new_channel(admin, "low_stock")
            # Killed, stopped, and the last one runs on.
            await new_item(admin, f"Item {number}", min_quantity=1)
            await _until_recorded(config, number + 1)
            await asyncio.sleep(A_WHILE / 3)
            if number == 0:
                server.kill()
    assert _reported(mail) == [f"Item {number} is at or below its minimum of 1" for number in range(3)]


async def test_several_processes_send_each_cause_once_while_one_is_killed(
    serve: Serve, dialect: str, keys: dict[str, str], config: Config, mail: MailServer
) -> None:
    if dialect == "sqlite":
        pytest.skip("only one process can serve a SQLite file")
    # The server fails now and then.
    mail.answers = ["250 accepted", "451 try later", "250 accepted", "451 try later"]
    async with AsyncExitStack() as stack:
        servers = [stack.enter_context(serve(command=IMPATIENT)) for _ in range(PROCESSES)]
        admins = [await _client(stack, server, keys) for server in servers]
        await new_channel(admins[0], "low_stock")
        items: list[Json] = []
        for number in range(ITEMS):
            items.append(await new_item(admins[number % PROCESSES], f"Item {number:02}", min_quantity=1))
            await asyncio.sleep(0.3)
        await _until_recorded(config, ITEMS)
        [(owner,)] = await run_beside(config, "SELECT owner FROM notice_lease")
        servers[0].kill()
        for number in range(ITEMS, ITEMS + 3):
            await new_item(admins[1], f"Item {number:02}", min_quantity=1)
        await _until_recorded(config, ITEMS + 3)
        await asyncio.sleep(A_WHILE)
        assert owner
    names = [f"Item {number:02} is at or below its minimum of 1" for number in range(ITEMS + 3)]
    assert _reported(mail) == names

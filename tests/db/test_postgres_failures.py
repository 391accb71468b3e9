"""Errors of Postgres and aborted statements are reported with a reason, and with 503 where a retry is right."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from httpx import AsyncClient, Response
from msgspec.structs import replace

from stocky.config import Config
from stocky.db import Database, make_database
from stocky.errors import Contention, Invalid, NotFound, Unavailable
from tests.conftest import settings
from tests.db.postgres_session import Session, session
from tests.inventory import made, new_item, refused
from tests.serving import environment


@pytest.fixture
async def other(dialect: str, config: Config) -> AsyncIterator[Session]:
    """Another program's session."""
    if dialect == "sqlite":
        pytest.skip("what a Postgres server does")
    async with session(config) as other:
        yield other


def expect_503(answer: Response, *words: str) -> None:
    refused(answer, 503, *words)
    assert int(answer.headers["Retry-After"]) >= 1


async def until_well(client: AsyncClient) -> None:
    for _ in range(200):
        if (await client.get("/items/")).status_code == 200:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the database was not reached again")


@pytest.mark.parametrize("change", ["item", "scan", "merge"])
async def test_a_connection_lost_inside_a_transaction_is_503(
    other: Session, member: AsyncClient, scanner: AsyncClient, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    item, into = await new_item(member, upc="4006381333931"), await new_item(member, "Tea")
    sent = {
        "item": lambda: member.patch(f"/items/{item['id']}", json={"name": "Other coffee"}),
        "scan": lambda: scanner.post("/scanner/scan", json={"upc": "4006381333931", "event_id": "lost"}),
        "merge": lambda: member.post(f"/items/{item['id']}/merge", json={"into": into["id"]}),
    }[change]
    await other.execute("BEGIN; LOCK TABLE item IN EXCLUSIVE MODE")
    answer = asyncio.create_task(sent())
    await other.terminate(*await other.blocked())
    expect_503(await answer, "cannot be reached")
    await other.execute("ROLLBACK")
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []
    await until_well(member)
    assert (await sent()).status_code == 200


async def test_a_connection_lost_before_the_commit_is_unavailable(other: Session, database: Database) -> None:
    async def lose_it() -> None:
        async with database.transaction() as tx:
            await tx.execute("check_writable")
            await other.terminate_others()

    with pytest.raises(Unavailable, match="cannot be reached"):
        await lose_it()


async def test_exception_of_block_is_raised_although_connection_is_lost(other: Session, database: Database) -> None:
    async def fail_and_lose_it() -> None:
        async with database.transaction() as tx:
            await tx.execute("check_writable")
            await other.terminate_others()
            await asyncio.sleep(0.1)
            raise NotFound("no such thing")

    with pytest.raises(NotFound, match="no such thing"):
        await fail_and_lose_it()


@pytest.mark.parametrize("kind", [PermissionError, TimeoutError, ConnectionResetError])
async def test_unrelated_error_in_block_is_not_translated(database: Database, kind: type[OSError]) -> None:
    for block in (database.read, database.transaction):
        with pytest.raises(kind, match="not of the driver"):
            async with block():
                raise kind("not of the driver")


async def test_read_only_server_is_503_for_writes_only(
    other: Session, member: AsyncClient, scanner: AsyncClient, root: AsyncClient
) -> None:
    await new_item(member)
    await other.configure("SET default_transaction_read_only = on")
    await until_well(member)
    expect_503(await member.post("/items/", json={"name": "Tea"}), "read-only")
    expect_503(await scanner.post("/scanner/scan", json={"upc": "4006381333931"}), "read-only")
    answer = await root.get("/health/ready")
    refused(answer, 503, "read-only")
    await other.configure("RESET default_transaction_read_only")
    await until_well(member)
    made(await member.post("/items/", json={"name": "Tea"}))


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
async def test_server_timeout_is_503(other: Session, member: AsyncClient, setting: str) -> None:
    item = await new_item(member)
    await other.configure(f"SET {setting} = '200ms'")
    await until_well(member)
    await other.execute("BEGIN; LOCK TABLE item IN EXCLUSIVE MODE")
    expect_503(await member.patch(f"/items/{item['id']}", json={"name": "Tea"}), setting)
    await other.execute("ROLLBACK")
    made(await member.patch(f"/items/{item['id']}", json={"name": "Tea"}))


async def test_statement_is_retried_after_table_change(other: Session, database: Database) -> None:
    async def read_around_a_change() -> None:
        async with database.transaction() as tx:
            await tx.value("has_contents")
            await other.execute("ALTER TABLE auth_revision ALTER COLUMN revision TYPE numeric")
            await tx.value("get_auth_revision")

    async with database.read() as read:
        await read.value("get_auth_revision")
    with pytest.raises(Contention, match="changed"):
        await read_around_a_change()
    async with database.read() as read:
        assert await read.value("get_auth_revision") is not None


async def test_number_out_of_driver_range_is_invalid(other: Session, database: Database) -> None:
    async with database.read() as read:
        with pytest.raises(Invalid, match="outside"):
            await read.value("get_item", id=2**70)


def of_refused_user(config: Config) -> str:
    """The same database with an unknown user."""
    address = urlsplit(config.database_url)
    return address._replace(netloc=f"stocky_test_refused@{address.netloc.rpartition('@')[2]}").geturl()


async def test_refused_login_is_503_with_reason(other: Session, config: Config) -> None:
    database = make_database(replace(config, database_url=of_refused_user(config)))
    with pytest.raises(Unavailable, match="refuses the user or the password"):
        await database.open()


async def test_merge_ended_by_deadlock_is_retried(other: Session, member: AsyncClient) -> None:
    item, into = await new_item(member), await new_item(member, "Tea")
    # The session's own deadlock check comes later, so that Postgres ends the merge.
    await other.execute("SET deadlock_timeout = '60s'")
    await other.execute(f"BEGIN; SELECT 1 FROM item WHERE id = {into['id']} FOR UPDATE")
    merge = asyncio.create_task(member.post(f"/items/{item['id']}/merge", json={"into": into["id"]}))
    await other.blocked()
    await other.execute(f"SELECT 1 FROM item WHERE id = {item['id']} FOR UPDATE")
    await other.blocked()
    await other.execute("ROLLBACK")
    made(await merge)


def command(url: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The result of a `stocky` command on a database."""
    return subprocess.run(
        [sys.executable, "-m", "stocky", *arguments],
        cwd=directory,
        env=environment(settings(url, directory)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


ADD_KEY = ("create-key", "admin", "--name", "second")


@pytest.mark.parametrize("arguments", [ADD_KEY, ("reindex",)])
async def test_command_reports_read_only_database_in_one_line(
    other: Session, config: Config, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    await other.configure("SET default_transaction_read_only = on")
    expect_one_line(await asyncio.to_thread(command, config.database_url, tmp_path, *arguments), "read-only")


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
@pytest.mark.parametrize("arguments", [("check",), ("backup",), ("reindex",), ADD_KEY])
async def test_command_reports_timeout_in_one_line(
    other: Session, config: Config, tmp_path: Path, setting: str, arguments: tuple[str, ...]
) -> None:
    await other.configure(f"SET {setting} = '300ms'")
    await other.execute("BEGIN; LOCK TABLE item, user_account IN ACCESS EXCLUSIVE MODE")
    expect_one_line(await asyncio.to_thread(command, config.database_url, tmp_path, *arguments))


async def test_command_reports_refused_login_in_one_line(other: Session, config: Config, tmp_path: Path) -> None:
    for arguments in (("check",), ("migrate",), ("backup",)):
        ran = await asyncio.to_thread(command, of_refused_user(config), tmp_path, *arguments)
        # The server's message.
        expect_one_line(ran, "Cannot connect to the database", "stocky_test_refused", "Check STOCKY_DATABASE_URL")


@pytest.mark.usefixtures("other")
async def test_command_names_missing_database(config: Config, tmp_path: Path) -> None:
    url = urlsplit(config.database_url)._replace(path="/stocky_test_none").geturl()
    ran = await asyncio.to_thread(command, url, tmp_path, "check")
    expect_one_line(ran, "/stocky_test_none: database \"stocky_test_none\" does not exist (create it with 'createdb')")


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("argument", ["SOURCE_URL", "TARGET_URL"])
async def test_copy_names_unreachable_argument(config: Config, tmp_path: Path, argument: str) -> None:
    addresses = [config.database_url, f"sqlite:///{tmp_path}/copy.db"]
    nowhere = urlsplit(config.database_url)._replace(path="/stocky_test_none").geturl()
    addresses = [nowhere, addresses[1]] if argument == "SOURCE_URL" else [addresses[0], nowhere]
    ran = await asyncio.to_thread(command, config.database_url, tmp_path, "copy", *addresses)
    expect_one_line(ran, "/stocky_test_none", f"Check {argument},")
    assert "STOCKY_DATABASE_URL" not in ran.stderr


def expect_one_line(ran: subprocess.CompletedProcess[str], *words: str) -> None:
    """Checks that a command failed with one line that begins with its name."""
    assert ran.returncode == 1, ran
    assert "Traceback" not in ran.stderr
    lines = [line for line in ran.stderr.splitlines() if line.startswith("stocky: ")]
    assert len(lines) == 1, ran.stderr
    for word in words:
        assert word in lines[0]

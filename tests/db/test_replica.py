"""A read replica that is a real hot standby: what it serves, and that nothing of it reaches a client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from httpx import ASGITransport, AsyncClient

from stocky.app import create_app
from stocky.config import Config, ConfigError, load
from stocky.db import Connection, Database, Lane, make_database
from stocky.db.postgres_connect import COMMAND_SECONDS
from stocky.db.read_position import HEADER, parse_position, read_position
from tests.conftest import ORIGIN, TestDatabases, settings, started
from tests.db.silent_line import line_to
from tests.inventory import get, new_item, new_location, new_stock
from tests.pooler import needs_pgbouncer, pgbouncer
from tests.standby import Standby, needs_standby, standby_of

DIALECT = "postgres-embedded"
WAIT_SECONDS = 120
ONE = "postgresql://stocky:secret@db.example.org/stocky"


@pytest.fixture
def primary_url(databases: TestDatabases, tmp_path: Path) -> Iterator[str]:
    """A database of the test on the primary."""
    with databases.copy(DIALECT, tmp_path) as url:
        yield url


@pytest.fixture(scope="module")
def shared_standby(databases: TestDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    with databases.copy(DIALECT, tmp_path_factory.mktemp("standby")) as url, standby_of(url) as standby:
        yield standby


@pytest.fixture
def standby(shared_standby: Standby, primary_url: str) -> Iterator[Standby]:
    """A standby that has replayed the test's database, and goes on replaying after the test."""
    shared_standby.catch_up()
    yield shared_standby
    shared_standby.resume()


def config_of(primary_url: str, read_url: str, directory: Path, max_lag: int = 3_600) -> Config:
    replica = {"STOCKY_DATABASE_READ_URL": read_url, "STOCKY_DATABASE_READ_LAG": str(max_lag)}
    return load(settings(primary_url, directory) | replica)


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Any]:
    database = make_database(config)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def served(config: Config, key: str) -> AsyncIterator[tuple[AsyncClient, Database]]:
    """A client of a started Stocky whose replica is in use, and its database."""
    async with started(create_app(config)) as app:
        transport = ASGITransport(app=app, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", headers={"X-API-Key": key}) as client:
            database: Database = app.state.database
            await until(lambda: state_of(database) == "ok")
            yield client, database


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not is_so():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.02)


def state_of(database: Database) -> str:
    assert database.replica is not None
    return database.replica.state


def served_by(database: Database) -> int:
    assert database.replica is not None
    return database.replica.served


async def names(client: AsyncClient, text: str, position: str | None = None) -> list[str]:
    """The names of the items that contain a text, by a long read."""
    headers = {} if position is None else {HEADER: position}
    answer = await client.get("/items/", params={"search": text}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert HEADER not in answer.headers
    return sorted(item["name"] for item in answer.json())


@needs_standby
async def test_every_read_sees_what_was_committed_before_it(
    standby: Standby, primary_url: str, tmp_path: Path, databases: TestDatabases
) -> None:
    config = config_of(primary_url, standby.url_of(primary_url), tmp_path)
    key = databases.keys[DIALECT]["admin"]
    async with served(config, key) as (client, database), served(config, key) as (other, _):
        shelf = await new_location(client)
        for number in range(20):
            item = await new_item(client, f"Flour {number}")
            # By this process and by another, which knows nothing of the write.
            for each in (client, other):
                assert len(await names(each, "flour")) == number + 1
            await new_stock(client, item, shelf, number + 1)
            stock = await get(other, "/skus/", search="flour")
            assert sorted(sku["quantity"] for sku in stock) == list(range(1, number + 2))
        standby.catch_up()
        before = served_by(database)
        paths = (
            *("/items/?search=flour", "/search?q=flour", f"/skus/?within={shelf['id']}", "/events?type=add"),
            *("/skus/low-stock", "/stock-value/items", "/exports/items.csv", "/exports/events.csv"),
        )
        for path in paths:
            answer = await client.get(path)
            assert answer.status_code == 200, answer.text
        assert served_by(database) > before
        # The standby itself reports connections for it.
        assert standby.ask(f"SELECT sum(numbackends) FROM pg_stat_database WHERE datname = '{_name(primary_url)}'") > 0


@needs_standby
async def test_replica_that_lags_serves_only_reads_with_an_older_position(
    standby: Standby, primary_url: str, tmp_path: Path, databases: TestDatabases
) -> None:
    config = config_of(primary_url, standby.url_of(primary_url), tmp_path)
    key = databases.keys[DIALECT]["admin"]
    async with served(config, key) as (client, database), served(config, key) as (other, _):
        first = await client.post("/items/", json={"name": "Flour"}, headers={HEADER: "0"})
        standby.catch_up()
        standby.pause()
        second = await client.post("/items/", json={"name": "Flour, dark"}, headers={HEADER: "0"})
        assert HEADER not in (await client.post("/items/", json={"name": "Salt"})).headers
        before, after = first.headers[HEADER], second.headers[HEADER]
        assert int(before) < int(after)
        # Without a position, and with one that the replica has not reached, the primary serves.
        count = served_by(database)
        for each in (client, other):
            assert await names(each, "flour") == ["Flour", "Flour, dark"]
            assert await names(each, "flour", after) == ["Flour", "Flour, dark"]
            assert await names(each, "flour", "not a position") == ["Flour", "Flour, dark"]
        assert served_by(database) == count
        # A client that has seen no more gets what the replica has.
        # On a busy machine the primary may serve it a few times, until the standby answers in time.
        for each in (client, other):
            async with asyncio.timeout(WAIT_SECONDS):
                while (found := await names(each, "flour", before)) != ["Flour"]:
                    assert found == ["Flour", "Flour, dark"]
        assert served_by(database) > count
        # A refused write has a position as well: that of what refused it.
        again = await client.post("/items/", json={}, headers={HEADER: before})
        assert again.status_code == 422
        assert int(again.headers[HEADER]) >= int(after)
        standby.resume()
        standby.catch_up()
        count = served_by(database)
        async with asyncio.timeout(WAIT_SECONDS):
            while served_by(database) == count:
                assert await names(client, "flour", after) == ["Flour", "Flour, dark"]


@needs_standby
async def test_total_that_a_lagging_replica_counts_is_for_its_readers_only(
    standby: Standby, primary_url: str, tmp_path: Path, databases: TestDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.db.totals.SMALL", 0)

    async def total(client: AsyncClient, **headers: str) -> str:
        answer = await client.get("/items/", params={"limit": 1}, headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.headers["X-Total-Count"])

    config = config_of(primary_url, standby.url_of(primary_url), tmp_path)
    async with served(config, databases.keys[DIALECT]["admin"]) as (client, _):
        for number in range(2):
            answer = await client.post("/items/", json={"name": f"Flour {number}"}, headers={HEADER: "0"})
        standby.catch_up()
        standby.pause()
        await new_item(client, "Flour of today")
        async with asyncio.timeout(WAIT_SECONDS):
            while (found := await total(client, **{HEADER: answer.headers[HEADER]})) != "2":
                assert found == "3"
        assert await total(client) == "3"


@needs_standby
async def test_replica_beyond_the_allowed_lag_is_not_used(
    standby: Standby, primary_url: str, tmp_path: Path, databases: TestDatabases, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(primary_url, standby.url_of(primary_url), tmp_path, max_lag=2)
    caplog.set_level(logging.INFO)
    async with served(config, databases.keys[DIALECT]["admin"]) as (client, database):
        standby.pause()
        position = (await client.post("/items/", json={"name": "Flour"}, headers={HEADER: "0"})).headers[HEADER]
        await until(lambda: state_of(database) == "it is more than 2 seconds behind")
        assert database.replica is not None
        assert database.replica.lag_seconds > 2
        assert await names(client, "flour", "0") == ["Flour"]
        ready = (await client.get(f"{ORIGIN}/health/ready")).json()
        assert ready["details"]["replica"] == "it is more than 2 seconds behind"
        metrics = (await client.get(f"{ORIGIN}/metrics")).text
        assert "stocky_replica_passed_on_total" in metrics
        standby.resume()
        await until(lambda: state_of(database) == "ok")
        count = served_by(database)
        standby.catch_up()
        await until(lambda: state_of(database) == "ok")
        assert await names(client, "flour", position) == ["Flour"]
        assert served_by(database) >= count
    lines = [each.message for each in caplog.records if "read replica" in each.message]
    assert [line.rpartition(" ")[0] for line in lines if "not used" in line] == [
        f"The read replica 127.0.0.1:{standby.port}/{_name(primary_url)} is not used: it is more than 2 seconds behind."
        " The primary serves all"
    ]


@needs_standby
async def test_killed_replica_fails_no_read(primary_url: str, tmp_path: Path, databases: TestDatabases) -> None:
    stop = asyncio.Event()
    with standby_of(primary_url) as standby:
        config = config_of(primary_url, standby.url_of(primary_url), tmp_path)
        async with served(config, databases.keys[DIALECT]["admin"]) as (client, database):
            for number in range(5):
                await new_item(client, f"Flour {number}")
            standby.catch_up()
            found: list[int] = []

            async def keep_reading(position: str | None) -> None:
                while not stop.is_set():
                    found.append(len(await names(client, "flour", position)))

            position = (await client.post("/items/", json={"name": "Salt"}, headers={HEADER: "0"})).headers[HEADER]
            readers = [asyncio.create_task(keep_reading(each)) for each in (None, position) * 4]
            try:
                for _ in range(2):
                    count = served_by(database)
                    await until(lambda count=count: served_by(database) > count + 20)
                    await asyncio.to_thread(standby.kill)
                    await until(lambda: state_of(database) != "ok")
                    await asyncio.to_thread(standby.start)
                    await until(lambda: state_of(database) == "ok")
            finally:
                stop.set()
                await asyncio.gather(*readers)
            assert set(found) == {5}


@needs_standby
async def test_silent_replica_is_given_up_and_used_again(standby: Standby, primary_url: str, tmp_path: Path) -> None:
    async with line_to(standby.port) as line:
        url = standby.url_of(primary_url).replace(f":{standby.port}/", f":{line.port}/")
        async with opened(config_of(primary_url, url, tmp_path)) as database:
            await until(lambda: state_of(database) == "ok")
            async with database.read(Lane.LONG, may_use_replica=True) as read:
                assert await read.value("count_low_items") == 0
            line.freeze()
            # Well below the time that a command may take.
            async with asyncio.timeout(COMMAND_SECONDS / 2):
                await until(lambda: state_of(database) != "ok")
                async with database.read(Lane.LONG, may_use_replica=True) as read:
                    assert await read.value("count_low_items") == 0
            assert state_of(database) == "no answer in time"
            line.thaw()
            await until(lambda: state_of(database) == "ok")


@needs_standby
async def test_read_of_a_silent_replica_is_served_by_the_primary(
    standby: Standby, primary_url: str, tmp_path: Path
) -> None:
    async with line_to(standby.port) as line:
        url = standby.url_of(primary_url).replace(f":{standby.port}/", f":{line.port}/")
        async with opened(config_of(primary_url, url, tmp_path)) as database:
            await until(lambda: state_of(database) == "ok")
            line.freeze()
            async with asyncio.timeout(COMMAND_SECONDS / 2):
                async with database.read(Lane.LONG, may_use_replica=True) as read:
                    assert await read.value("count_low_items") == 0
            await until(lambda: state_of(database) != "ok")


@needs_standby
async def test_connection_of_an_ended_pool_is_closed(standby: Standby, primary_url: str, tmp_path: Path) -> None:
    async with opened(config_of(primary_url, standby.url_of(primary_url), tmp_path)) as database:
        await until(lambda: state_of(database) == "ok")
        standby.catch_up()
        async with asyncio.timeout(WAIT_SECONDS):
            while (held := await database.replica.acquire(Lane.LONG, None)) is None:
                pass
        connection = held.connection._con
        # As after a look that failed, while a new pool is open already.
        ended, database.replica._pool = database.replica._pool, None
        await until(lambda: database.replica._pool is not None)
        await database.replica.release(held)
        assert connection.is_closed()
        ended.terminate()


@needs_standby
async def test_connection_made_while_the_data_is_replaced_is_refused(
    standby: Standby, primary_url: str, tmp_path: Path
) -> None:
    async with opened(config_of(primary_url, standby.url_of(primary_url), tmp_path)) as database:
        await until(lambda: state_of(database) == "ok")
        database.replica._forget()
        with pytest.raises(Exception, match="the data was replaced"):
            await database.replica._connect(None)


@needs_standby
async def test_promoted_replica_is_not_used(primary_url: str, tmp_path: Path, databases: TestDatabases) -> None:
    with standby_of(primary_url) as standby:
        config = config_of(primary_url, standby.url_of(primary_url), tmp_path)
        async with served(config, databases.keys[DIALECT]["admin"]) as (client, database):
            await new_item(client, "Flour")
            standby.catch_up()
            await asyncio.to_thread(standby.promote)
            # What is written to the former standby from now on is no part of this stock.
            with psycopg.connect(standby.url_of(primary_url), autocommit=True) as connection:
                connection.execute("UPDATE item SET name = 'Flour of others'")
            assert await names(client, "flour", "0") == ["Flour"]
            assert await names(client, "flour") == ["Flour"]
            await until(lambda: "promoted" in state_of(database))


@needs_standby
async def test_standby_of_the_former_primary_is_not_used(primary_url: str, tmp_path: Path) -> None:
    with standby_of(primary_url) as successor, standby_of(primary_url) as left_behind:
        successor.promote()
        config = config_of(successor.url_of(primary_url), left_behind.url_of(primary_url), tmp_path)
        async with opened(config) as database:
            await until(lambda: "failover" in state_of(database))


@needs_standby
async def test_read_cancelled_by_replaying_is_repeated_on_the_primary(
    standby: Standby, primary_url: str, tmp_path: Path
) -> None:
    runs = 0

    async def work(read: Connection) -> int:
        nonlocal runs
        runs += 1
        counted: int = await read.value("count_low_items")
        if runs == 1:
            # Replaying this lock ends the transactions on the standby that have read the table.
            await asyncio.to_thread(_lock, primary_url)
            await asyncio.to_thread(standby.catch_up)
        return counted + await read.value("count_low_items")

    async with opened(config_of(primary_url, standby.url_of(primary_url), tmp_path)) as database:
        await until(lambda: state_of(database) == "ok")
        standby.catch_up()
        async with asyncio.timeout(WAIT_SECONDS):
            while not runs:
                async with database.read(Lane.LONG, may_use_replica=True) as read:
                    passed_on = database.replica.passed_on
                    if not served_by(database):
                        # On a busy machine the standby does not answer in time; on the primary, the lock would wait.
                        continue
                    assert await read.run(work) == 0
                    assert runs == 2
                    # It goes on there.
                    assert await read.value("count_low_items") == 0
        assert (database.replica.served, database.replica.passed_on) == (1, passed_on + 1)


@needs_standby
async def test_what_decides_about_writes_never_comes_from_the_replica(
    standby: Standby, primary_url: str, tmp_path: Path
) -> None:
    async with opened(config_of(primary_url, standby.url_of(primary_url), tmp_path)) as database:
        await until(lambda: state_of(database) == "ok")
        token = read_position.set(0)
        try:
            for lane in Lane:
                async with database.read(lane) as read:
                    assert await read.value("find_snapshot") is not None
            async with database.read(Lane.IDENTITY, may_use_replica=True) as read:
                assert await read.value("find_snapshot") is not None
            async with database.transaction() as tx:
                assert await tx.value("find_snapshot") is not None
            # On the standby, no summary of the stock's value is cached.
            async with database.read(Lane.SHORT, may_use_replica=True) as read:
                assert await read.value("find_snapshot") is None
        finally:
            read_position.reset(token)


@needs_standby
async def test_another_database_is_not_used(
    standby: Standby, primary_url: str, tmp_path: Path, databases: TestDatabases, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(config_of(primary_url, standby.url_of("postgres"), tmp_path)) as database:
        await until(lambda: state_of(database) == "it is another database than the one of STOCKY_DATABASE_URL")
        async with database.read(Lane.LONG, may_use_replica=True) as read:
            assert await read.value("count_low_items") == 0
    assert len([each for each in caplog.records if "is not used" in each.message]) == 1


@needs_standby
@needs_pgbouncer
async def test_pooler_in_front_of_the_replica_is_not_used(standby: Standby, primary_url: str, tmp_path: Path) -> None:
    with pgbouncer(standby.url_of(primary_url), "transaction") as url:
        async with opened(config_of(primary_url, url, tmp_path)) as database:
            await until(lambda: "pooler" in state_of(database))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"STOCKY_DATABASE_READ_URL": ONE}, "STOCKY_DATABASE_READ_URL: goes with Postgres only"),
        (
            {"STOCKY_DATABASE_URL": ONE, "STOCKY_DATABASE_READ_URL": "sqlite:///copy.db"},
            "STOCKY_DATABASE_READ_URL: goes with Postgres only",
        ),
        (
            {"STOCKY_DATABASE_URL": ONE, "STOCKY_DATABASE_READ_URL": ONE.replace("secret", "other")},
            "STOCKY_DATABASE_READ_URL: is the address of STOCKY_DATABASE_URL",
        ),
        (
            {
                "STOCKY_DATABASE_URL": ONE.replace("db.", "pooler."),
                "STOCKY_DATABASE_DIRECT_URL": ONE,
                "STOCKY_DATABASE_READ_URL": ONE,
            },
            "STOCKY_DATABASE_READ_URL: is the address of STOCKY_DATABASE_DIRECT_URL",
        ),
        (
            {"STOCKY_DATABASE_URL": ONE, "STOCKY_DATABASE_READ_URL": "postgresql://db@2/stocky?wrong=1"},
            "STOCKY_DATABASE_READ_URL: it has unknown parameters: wrong",
        ),
        ({"STOCKY_DATABASE_URL": ONE, "STOCKY_DATABASE_READ_LAG": "5"}, "STOCKY_DATABASE_READ_URL: is needed with"),
        (
            {"STOCKY_DATABASE_URL": ONE, "STOCKY_DATABASE_READ_URL": ONE, "STOCKY_DATABASE_READ_LAG": "0"},
            "STOCKY_DATABASE_READ_LAG: '0' is not a whole number from 2 to 3600",
        ),
    ],
)
def test_wrong_settings_are_refused_by_name(given: dict[str, str], problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load({"STOCKY_DATA_DIR": str(tmp_path), **given})
    assert error.value.problems[0].startswith(problem)


def test_one_address_may_name_the_primary_and_the_standby_of_several_hosts(tmp_path: Path) -> None:
    several = ONE.replace("db.example.org", "one,two")
    given = {
        "STOCKY_DATABASE_URL": f"{several}?target_session_attrs=read-write",
        "STOCKY_DATABASE_READ_URL": f"{several}?target_session_attrs=standby",
    }
    assert load({"STOCKY_DATA_DIR": str(tmp_path), **given}).replica is not None


@pytest.mark.parametrize("text", [b"", b"-1", b"1.5", b"0x10", b"1" * 19, "٣".encode(), b"0/3000148"])
def test_malformed_position_counts_as_none(text: bytes) -> None:
    assert parse_position(text) is None
    assert parse_position(b"100663296") == 100_663_296


def _name(primary_url: str) -> str:
    return primary_url.partition("?")[0].rpartition("/")[2]


def _lock(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE item IN ACCESS EXCLUSIVE MODE")

"""Behind a real PgBouncer: Stocky works in transaction mode with a direct address, and in session mode without one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from httpx import ASGITransport, AsyncClient

from stocky.app import create_app
from stocky.backup.copy import copy
from stocky.config import Config, load
from stocky.db import Database, make_database
from stocky.db.migrate import migrate
from stocky.db.postgres_connect import NO_SESSION, is_pooled, session
from stocky.db.postgres_migration import connect
from stocky.errors import Unavailable
from stocky.stock.consistency import find_faults
from tests.cli.running import stocky
from tests.conftest import ORIGIN, TestDatabases, settings, started
from tests.inventory import made, new_item, new_location, total
from tests.pooler import needs_pgbouncer, pgbouncer
from tests.postgres import LOCKS_HERE

pytestmark = needs_pgbouncer

DIALECT = "postgres-embedded"


@pytest.fixture
def server_url(databases: TestDatabases, tmp_path: Path) -> Iterator[str]:
    """The server's own address, with a separate database for the test."""
    with databases.copy(DIALECT, tmp_path) as url:
        yield url


@pytest.fixture
def environ(pool_mode: str, server_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of a Stocky behind a PgBouncer in `pool_mode`, as in the README."""
    with pgbouncer(server_url, pool_mode) as url:
        direct = {"STOCKY_DATABASE_DIRECT_URL": server_url} if pool_mode == "transaction" else {}
        yield settings(url, tmp_path) | direct


@asynccontextmanager
async def opened(config: Config) -> Any:
    database = make_database(config)
    await database.open()
    yield database
    await database.close()


async def names(database: Database) -> list[str]:
    async with database.read() as read:
        return [str(await read.value("has_active_admin")) for _ in range(5)]


@pytest.mark.parametrize("pool_mode", ["transaction"])
async def test_scans_reads_backups_and_restores_work(environ: dict[str, str], databases: TestDatabases) -> None:
    config = load(environ)
    keys = databases.keys[DIALECT]
    async with (
        started(create_app(config)) as app,
        AsyncClient(
            transport=ASGITransport(app=app, raise_app_exceptions=False),
            base_url=f"{ORIGIN}/api/v1",
            headers={"X-API-Key": keys["admin"]},
        ) as admin,
    ):
        shelf = await new_location(admin)
        item = await new_item(admin, "Flour", barcodes=[{"barcode": "4006381333931"}])

        async def scan(number: int) -> None:
            scan = {
                "upc": "4006381333931",
                "scanner_id": f"s{number % 4}",
                "location_hint": shelf["id"],
                "event_id": f"e{number}",
            }
            made(await admin.post("/scanner/scan", json=scan))

        async def read(path: str) -> None:
            made(await admin.get(path))

        paths = ("/items/", "/skus/", "/events", "/search?q=flour", "/alerts/", "/system/backup/list")
        await asyncio.gather(*(scan(each) for each in range(40)), *(read(each) for each in paths * 8))
        assert await total(admin, item) == 40
        backup = made(await admin.post("/backup/create/full"))
        assert backup["rows"]["stock_event"] == 40
        dump = (await admin.get(f"/system/backup/{backup['backup_id']}/download")).content
        await scan(41)
        again = await admin.post("/backup/upload/import/partial?force=true", files={"file": ("a.sql.gz", dump)})
        assert made(again)["records_skipped"] > 40
        made(await admin.post("/backup/upload/import/full?force=true", files={"file": ("a.sql.gz", dump)}))
        assert await total(admin, item) == 40
        await asyncio.gather(*(scan(each) for each in range(50, 60)), *(read(each) for each in paths))
        assert await total(admin, item) == 50
    assert await find_faults(config) == []


@pytest.mark.parametrize("pool_mode", ["transaction", "session"])
async def test_commit_through_pooler_notifies_other_process(environ: dict[str, str]) -> None:
    config = load(environ)
    async with opened(config) as one, opened(config) as other:
        committed = asyncio.Event()
        other.on_commit(committed.set)
        async with other.serving():
            async with one.transaction() as transaction:
                await transaction.value("reserve_event_ids", count=1)
            async with asyncio.timeout(20):
                await committed.wait()


@pytest.mark.parametrize("pool_mode", ["transaction"])
async def test_a_new_database_is_migrated_and_copied(
    databases: TestDatabases, server_url: str, environ: dict[str, str], tmp_path: Path
) -> None:
    source = load(environ)
    with databases.empty(DIALECT, tmp_path) as url, pgbouncer(url, "session") as pooler:
        target = load(settings(pooler, tmp_path))
        migrate(target)
        copied = await copy(source, target, lambda *_: None)
        assert copied.tables["user_account"].rows > 0


def test_transaction_mode_without_direct_address_is_rejected_in_one_line(server_url: str, tmp_path: Path) -> None:
    with pgbouncer(server_url, "transaction") as url:
        for command in (["serve", "--port", "0"], ["migrate"], ["backup"], ["check"]):
            done = stocky(settings(url, tmp_path), *command)
            assert done.returncode == 1, command
            assert done.stderr == f"stocky: {NO_SESSION}\n"
        # A pooler's address is not a direct address either.
        done = stocky(settings(url, tmp_path) | {"STOCKY_DATABASE_DIRECT_URL": url}, "migrate", "--check")
        assert done.stderr == f"stocky: {NO_SESSION}\n"


def test_direct_address_of_another_database_is_rejected_before_any_work(
    databases: TestDatabases, server_url: str, tmp_path: Path
) -> None:
    with databases.empty(DIALECT, tmp_path) as other, pgbouncer(server_url, "transaction") as url:
        environ = settings(url, tmp_path) | {"STOCKY_DATABASE_DIRECT_URL": other}
        for command in (["serve", "--port", "0"], ["migrate"]):
            done = stocky(environ, *command)
            assert done.returncode == 1
            assert done.stderr.startswith("stocky: STOCKY_DATABASE_DIRECT_URL and STOCKY_DATABASE_URL name")
            assert done.stderr.count("\n") == 1
        assert "applied 0001" not in stocky(settings(other, tmp_path), "migrate", "--list").stdout


def test_statement_mode_is_rejected_in_one_line(server_url: str, tmp_path: Path) -> None:
    with pgbouncer(server_url, "statement") as url:
        done = stocky(settings(url, tmp_path) | {"STOCKY_DATABASE_DIRECT_URL": server_url}, "migrate", "--check")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "statement pooling mode" in done.stderr


def test_startup_parameter_refused_by_pooler_is_named(server_url: str, tmp_path: Path) -> None:
    with pgbouncer(server_url, "session") as url:
        done = stocky(settings(f"{url}?options=-csearch_path%3Dpublic", tmp_path), "migrate", "--check")
    assert done.returncode == 1
    assert done.stderr == "stocky: The database refuses the connection: unsupported startup parameter: options\n"


@pytest.mark.parametrize("round_robin", [0, 1])
@pytest.mark.parametrize("idle", [1, 3])
async def test_transaction_mode_is_detected_with_every_pooler_setting(
    server_url: str, round_robin: int, idle: int
) -> None:
    with pgbouncer(server_url, "transaction", server_round_robin=round_robin, min_pool_size=idle) as url:
        for _ in range(5):
            with pytest.raises(Unavailable, match="transaction mode"):
                async with session(url):
                    pass


async def test_busy_pooler_is_detected(server_url: str) -> None:
    with pgbouncer(server_url, "transaction", default_pool_size=5) as url:
        config = load(settings(url, Path("/nowhere")) | {"STOCKY_DATABASE_DIRECT_URL": server_url})
        async with opened(config) as database:
            busy = [asyncio.create_task(_read_for_ever(database)) for _ in range(8)]
            for _ in range(5):
                with pytest.raises(Unavailable, match="transaction mode"):
                    async with session(url):
                        pass
            for each in busy:
                each.cancel()
            await asyncio.gather(*busy, return_exceptions=True)


async def _read_for_ever(database: Database) -> None:
    while True:
        await names(database)


async def test_session_mode_keeps_sessions_and_server_is_not_a_pooler(server_url: str) -> None:
    with pgbouncer(server_url, "session") as url:
        async with session(url) as connection:
            assert await is_pooled(connection)
    async with session(server_url) as connection:
        assert not await is_pooled(connection)


async def test_without_a_pooler_statements_stay_prepared(server_url: str, tmp_path: Path) -> None:
    async with opened(load(settings(server_url, tmp_path))) as database:
        assert len({*await names(database)}) == 1
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements") > 0


async def test_without_a_pooler_queries_are_not_compiled(server_url: str, tmp_path: Path) -> None:
    async with opened(load(settings(server_url, tmp_path))) as database, database.connection() as connection:
        assert await connection.fetchval("SHOW jit") == "off"


async def test_no_state_remains_on_server_connection_behind_pooler(server_url: str, tmp_path: Path) -> None:
    with pgbouncer(server_url, "transaction", default_pool_size=1) as url:
        config = load(settings(url, tmp_path) | {"STOCKY_DATABASE_DIRECT_URL": server_url})
        async with opened(config) as database:
            assert len({*await names(database)}) == 1
            async with database.connection() as connection, connection.transaction():
                assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''") == 0
                held = f"SELECT count(*) FROM pg_locks WHERE {LOCKS_HERE} AND locktype = 'advisory'"
                assert await connection.fetchval(held) == 0


@pytest.fixture
def certificate() -> Iterator[dict[str, Path]]:
    """A self-signed certificate of 127.0.0.1, its key, and another authority, all world-readable."""
    with tempfile.TemporaryDirectory(prefix="stocky-tls-") as made:
        directory = Path(made)
        directory.chmod(0o755)
        yield {name: path for each in ("server", "other") for name, path in _certificate(directory, each).items()}


def _certificate(directory: Path, name: str) -> dict[str, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    files = {name: directory / f"{name}.crt", f"{name}.key": directory / f"{name}.key"}
    files[name].write_bytes(certificate.public_bytes(pem))
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files[f"{name}.key"].write_bytes(plain)
    for file in files.values():
        file.chmod(0o644)
    return files


async def test_both_drivers_verify_certificate_by_address_parameters(
    server_url: str, certificate: dict[str, Path], tmp_path: Path
) -> None:
    with pgbouncer(
        server_url,
        "session",
        client_tls_sslmode="require",
        client_tls_cert_file=certificate["server"],
        client_tls_key_file=certificate["server.key"],
    ) as url:
        good, bad = certificate["server"], certificate["other"]
        for parameters in ("sslmode=require", f"sslmode=verify-full&sslrootcert={good}", "ssl=true"):
            config = load(settings(f"{url}?{parameters}", tmp_path))
            with connect(config) as connection:
                assert connection.info.pgconn.ssl_in_use
            async with opened(config) as database:
                assert await names(database)
        for parameters in (
            f"sslmode=verify-full&sslrootcert={bad}",
            f"sslmode=verify-ca&sslrootcert={bad}",
            "sslrootcert=system&sslmode=verify-full",
            # Without channel binding the certificate must be trusted, and this one is not.
            "sslmode=require&channel_binding=require",
        ):
            config = load(settings(f"{url}?{parameters}", tmp_path))
            with pytest.raises(Unavailable):
                await asyncio.to_thread(connect, config)
            with pytest.raises(Unavailable):
                await make_database(config).open()
        with pytest.raises(Unavailable):
            await make_database(load(settings(f"{url}?sslmode=disable", tmp_path))).open()

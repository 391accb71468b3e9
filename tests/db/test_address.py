"""The address of a Postgres database: accepted notations, messages for wrong ones, and no password in a message."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from stocky.config import Config, ConfigError, load
from stocky.database_address import parse
from stocky.db import make_database
from stocky.db.migrate import check_schema
from stocky.db.postgres_migration import connect
from tests.conftest import settings
from tests.postgres import embedded_server

ONE = "postgresql://stocky:secret@db.example.org:5432/stocky"
PIECES = ("hunter", "horse", "battery")


def problems(directory: Path, **given: str) -> list[str]:
    """The problems that `load` reports for these settings."""
    with pytest.raises(ConfigError) as error:
        load({"STOCKY_DATA_DIR": str(directory), **given})
    return error.value.problems


@pytest.mark.parametrize(
    "written",
    [
        ONE,
        ONE.replace("postgresql", "postgres"),
        ONE.replace("postgresql", "PostgreSQL"),
        ONE.replace("postgresql", "postgresql+asyncpg"),
        ONE.replace("postgresql", "postgresql+psycopg"),
        ONE.replace(":5432", ""),
        ONE + "/",
        f'"{ONE}"',
        f"'{ONE}'\n",
        f"\ufeff{ONE}\r\n",
        f"  {ONE}  ",
        f"{ONE}?pgbouncer=true&client_encoding=utf8",
        "postgresql:///stocky?host=db.example.org&user=stocky&password=secret",
    ],
)
def test_address_is_parsed_in_every_notation(written: str, tmp_path: Path) -> None:
    assert load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_DATABASE_URL": written}).database_url == ONE
    assert load({"STOCKY_DATA_DIR": str(tmp_path), "DATABASE_URL": written}).database_url == ONE
    file = tmp_path / "url"
    file.write_text(written, "utf-8")
    assert load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_DATABASE_URL_FILE": str(file)}).database_url == ONE


@pytest.mark.parametrize(
    ("written", "hosts"),
    [
        ("postgresql://a,b:5433,[::1]:5434/stocky", (("a", 5432), ("b", 5433), ("::1", 5434))),
        ("postgresql://%2Frun%2Fpostgresql/stocky", (("/run/postgresql", 5432),)),
        ("postgresql:///stocky?host=/run/postgresql&port=5433", (("/run/postgresql", 5433),)),
        ("postgresql:///stocky?host=a,b&port=5433", (("a", 5433), ("b", 5433))),
        ("postgresql:///stocky", ()),
    ],
)
def test_hosts_are_names_addresses_or_socket_directories(written: str, hosts: tuple[Any, ...]) -> None:
    assert parse(written).hosts == hosts
    assert parse(parse(written).url) == parse(written)
    # libpq accepts the stored form.
    theirs = psycopg.conninfo.conninfo_to_dict(parse(written).url)
    assert theirs.get("host", "") == ",".join(host for host, _ in hosts)


def test_percent_encoded_special_characters_are_decoded() -> None:
    address = parse("postgresql://st%40cky:%40%2F%23%3F%25:%20+@host/st%2Fock")
    assert (address.user, address.password, address.database) == ("st@cky", "@/#?%: +", "st/ock")
    assert parse(address.url) == address
    theirs = psycopg.conninfo.conninfo_to_dict(address.url)
    assert (theirs["user"], theirs["password"], theirs["dbname"]) == ("st@cky", "@/#?%: +", "st/ock")
    assert address.password not in repr(address)


@pytest.mark.parametrize("special", ["@", "/", "#", "?", "%", "%zz", " ", "@/", "?#", "/?", "?sslmode=", "12/"])
@pytest.mark.parametrize("name", ["STOCKY_DATABASE_URL", "STOCKY_DATABASE_DIRECT_URL"])
def test_raw_special_character_in_password_is_reported_without_the_password(
    special: str, name: str, tmp_path: Path
) -> None:
    url = f"postgresql://stocky:hunter{special}horse{special}battery@db.example.org/stocky"
    given = {"STOCKY_DATABASE_URL": ONE} | {name: url}
    (problem,) = problems(tmp_path, **given)
    assert problem.startswith(f"{name}: ")
    assert "percent-encode" in problem
    assert not [piece for piece in PIECES if piece in problem]


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("postgresql://host/stocky?colour=blue&sslmode=require&fruit=apple", "colour, fruit"),
        ("postgresql://host/stocky?service=shelf", "service"),
        ("postgresql://host/stocky?search_path=shelf", "search_path"),
        ("postgresql://host/stocky?sslmode=perhaps", "sslmode is one of disable, allow, prefer, require"),
        ("postgresql://host/stocky?gssencmode=require", "gssencmode is one of disable, prefer"),
        ("postgresql://host/stocky?connect_timeout=soon", "connect_timeout is a whole number"),
        ("postgresql://host/stocky?client_encoding=latin1", "client_encoding is utf8"),
        ("postgresql://host/stocky?sslrootcert", "sslrootcert"),
        ("postgresql://host:battery/stocky", "port"),
        ("postgresql://host:battery", "port"),
        ("postgresql://host:99999/stocky", "port"),
        ("postgresql://host:5432,other:5433,/stocky", "has no name"),
        ("postgresql://[::1/stocky", "brackets"),
        ("postgresql://host/", "name the database"),
        ("postgresql://:battery@host/stocky", "no user name"),
        ("host=a dbname=stocky password=battery", "begin with"),
        ("jdbc:postgresql://stocky:battery@host/stocky", "begin with"),
    ],
)
def test_invalid_address_is_rejected_in_one_line_before_any_work(written: str, named: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, STOCKY_DATABASE_URL=written)
    assert problem.startswith("STOCKY_DATABASE_URL: ")
    assert named in problem
    assert "battery" not in problem
    assert list(tmp_path.iterdir()) == []


def test_address_parts_may_be_separate_settings(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("@/#?% \n", "utf-8")
    parts = {
        "STOCKY_DATA_DIR": str(tmp_path),
        "STOCKY_DATABASE_HOST": "db.example.org",
        "STOCKY_DATABASE_NAME": "stocky",
        "STOCKY_DATABASE_USER": "st@cky",
        "STOCKY_DATABASE_PASSWORD_FILE": str(secret),
    }
    config = load(parts)
    assert config.database_url == "postgresql://st%40cky:%40%2F%23%3F%25@db.example.org:5432/stocky"
    # Stocky's own setting takes precedence over a platform's.
    assert load(parts | {"DATABASE_URL": "postgresql://other/other"}) == config
    more = {"STOCKY_DATABASE_HOST": "a,/run/postgresql,::1", "STOCKY_DATABASE_PORT": "5432,5433,5434"}
    assert parse(load(parts | more).database_url).hosts == (("a", 5432), ("/run/postgresql", 5433), ("::1", 5434))
    by_socket = load(parts | {"STOCKY_DATABASE_HOST": "/run/postgresql", "STOCKY_DATABASE_PASSWORD_FILE": ""})
    assert by_socket.database_url == "postgresql://st%40cky@%2Frun%2Fpostgresql:5432/stocky"


@pytest.mark.parametrize(
    "given",
    [
        {"STOCKY_DATABASE_HOST": "db.example.org", "STOCKY_DATABASE_NAME": "stocky"},
        {"STOCKY_DATABASE_URL": "postgresql://db.example.org/stocky"},
    ],
)
def test_password_needs_no_user(given: dict[str, str], tmp_path: Path) -> None:
    config = load(given | {"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_DATABASE_PASSWORD": "sec&ret"})
    address = parse(config.database_url)
    assert (address.user, address.password, address.shown) == ("", "sec&ret", "db.example.org:5432/stocky")


def test_separate_password_completes_address_without_one(tmp_path: Path) -> None:
    given = {
        "STOCKY_DATA_DIR": str(tmp_path),
        "STOCKY_DATABASE_URL": "postgresql://stocky@pooler/stocky",
        "STOCKY_DATABASE_DIRECT_URL": "postgres://stocky@server/stocky",
        "STOCKY_DATABASE_PASSWORD": "secret",
    }
    config = load(given)
    assert config.database_url == "postgresql://stocky:secret@pooler:5432/stocky"
    assert config.session_url == config.database_direct_url == "postgresql://stocky:secret@server:5432/stocky"
    written = load(given | {"STOCKY_DATABASE_URL": "postgresql://stocky:own@pooler/stocky"})
    assert written.database_url == "postgresql://stocky:own@pooler:5432/stocky"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"STOCKY_DATABASE_HOST": "a"}, "STOCKY_DATABASE_NAME"),
        ({"STOCKY_DATABASE_NAME": "a"}, "STOCKY_DATABASE_HOST"),
        ({"STOCKY_DATABASE_HOST": "a", "STOCKY_DATABASE_NAME": "b", "STOCKY_DATABASE_PORT": "x"}, "port"),
        (
            {"STOCKY_DATABASE_HOST": "a", "STOCKY_DATABASE_NAME": "b", "STOCKY_DATABASE_URL": ONE},
            "set either this or STOCKY_DATABASE_HOST, STOCKY_DATABASE_NAME",
        ),
        ({"STOCKY_DATABASE_DIRECT_URL": ONE}, "STOCKY_DATABASE_DIRECT_URL"),
        ({"STOCKY_DATABASE_URL": ONE, "STOCKY_DATABASE_DIRECT_URL": "sqlite:///a.db"}, "STOCKY_DATABASE_DIRECT_URL"),
    ],
)
def test_conflicting_settings_are_named(given: dict[str, str], named: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, **given)
    assert named in problem


# Every parameter of libpq that Stocky knows, with values that the test servers accept.
ALL_PARAMETERS = (
    "sslmode=prefer&channel_binding=prefer&gssencmode=disable&sslsni=1&connect_timeout=7&client_encoding=utf8"
    "&keepalives=1&keepalives_idle=31&keepalives_interval=11&keepalives_count=3&tcp_user_timeout=12345"
    "&target_session_attrs=read-write&options=-c%20statement_timeout%3D54321&application_name=shelf"
    "&fallback_application_name=other&krbsrvname=postgres&ssl_min_protocol_version=TLSv1.2&sslnegotiation=postgres"
)
_SHOWN = "SELECT current_setting('statement_timeout') || ' ' || current_setting('application_name')"


@pytest.fixture
def with_parameters(dialect: str, config: Config, tmp_path: Path) -> Config:
    if dialect == "sqlite":
        pytest.skip("SQLite has a path")
    joint = "&" if "?" in config.database_url else "?"
    return load(settings(f"{config.database_url}{joint}{ALL_PARAMETERS}", tmp_path))


async def test_both_drivers_accept_every_parameter(with_parameters: Config) -> None:
    check_schema(with_parameters)
    with connect(with_parameters) as connection:
        assert connection.execute(_SHOWN).fetchone() == ("54321ms shelf",)
    database: Any = make_database(with_parameters)
    await database.open()
    try:
        async with database.connection() as connection:
            assert await connection.fetchval(_SHOWN) == "54321ms shelf"
    finally:
        await database.close()


async def test_unreachable_host_is_skipped(dialect: str, config: Config, tmp_path: Path) -> None:
    if dialect == "sqlite":
        pytest.skip("SQLite has a path")
    address = parse(config.database_url)
    # A server that accepts the connection but never answers, like a crashed machine.
    silent = socket.create_server(("127.0.0.1", 0))
    dead = silent.getsockname()[1]
    hosts = (("127.0.0.1", 1), ("127.0.0.1", dead), *address.hosts)
    url = msgspec.structs.replace(address, hosts=hosts, parameters={"connect_timeout": "2"}).url
    several = load(settings(url, tmp_path))
    await asyncio.to_thread(check_schema, several)
    database = make_database(several)
    await database.open()
    async with database.read() as read:
        assert await read.value("has_active_admin")
    await database.close()
    silent.close()


def test_database_name_may_use_any_script(tmp_path: Path) -> None:
    name = "stocky @/#?% ä"
    with embedded_server() as server:
        server.execute(f'CREATE DATABASE "{name}" ENCODING UTF8 TEMPLATE template0')
        address = parse(server.url)
        parts = {
            "STOCKY_DATA_DIR": str(tmp_path),
            "STOCKY_DATABASE_HOST": address.hosts[0][0],
            "STOCKY_DATABASE_NAME": name,
            "STOCKY_DATABASE_USER": address.user,
        }
        config = load(parts)
        with connect(config) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == (name,)

"""psycopg connections for migrations: always a session, and always to the configured database."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from stocky.config import Config
from stocky.database_address import PostgresAddress, parse
from stocky.db.postgres import translate_errors
from stocky.db.postgres_connect import APPLICATION, CONNECT_SECONDS, examine, session
from stocky.db.sqlstates import AWAY
from stocky.db.unreachable import Unreachable, reason_of


def check_session(config: Config) -> None:
    """Raises Unavailable where no session is available, or the two addresses name different databases."""
    with ThreadPoolExecutor(1) as aside:
        # The caller may be running an event loop.
        aside.submit(asyncio.run, _check(config)).result()


async def _check(config: Config) -> None:
    with translate_errors():
        if config.database_direct_url is None:
            async with session(config.database_url):
                return
        await examine(config.database_url, config.database_direct_url)


def connect(config: Config) -> psycopg.Connection[Any]:
    """A connection in autocommit mode, on the schema of `config`. Raises Unavailable."""
    check_session(config)
    address = parse(config.session_url)
    try:
        connection = psycopg.connect(**_arguments(address), autocommit=True)
    except psycopg.Error as error:
        raise Unreachable(AWAY, address, reason_of(error)) from error
    if config.schema:
        connection.execute(f"SET search_path TO {config.schema}".encode())
    return connection


def _arguments(address: PostgresAddress) -> dict[str, Any]:
    """The parts of an address as libpq's parameters; missing ones come from its environment."""
    given = {
        "host": ",".join(host for host, _ in address.hosts),
        "port": ",".join(str(port) for _, port in address.hosts),
        "user": address.user,
        "password": address.password,
        "dbname": address.database,
        "connect_timeout": str(CONNECT_SECONDS),
        "fallback_application_name": APPLICATION,
    }
    # Makes messages readable in any database encoding; migrations refuse all but UTF8.
    fixed = {"client_encoding": "UTF8"}
    return {name: value for name, value in (given | address.parameters | fixed).items() if value}

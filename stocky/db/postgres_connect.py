"""Opens connections to Postgres. `session` returns a dedicated session or raises, also behind a pooler.

A pooler (PgBouncer, Supavisor, ...) in transaction mode lends a server connection for one transaction at a time:
prepared statements, LISTEN, SET and advisory locks of a session would remain on a connection that others use.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlencode

import asyncpg

from stocky.database_address import PostgresAddress, parse
from stocky.db.sqlstates import AWAY, error_of_state
from stocky.db.unreachable import Unreachable, reason_of
from stocky.errors import Unavailable

CONNECT_SECONDS = 5
# For each statement of a pool's connections.
COMMAND_SECONDS = 60
APPLICATION = "stocky"
# How often to check that a session keeps its server connection. Once is enough if no other client uses the pooler.
LOOKS = 10
NO_SESSION = (
    "The database's address is that of a pooler in transaction mode (PgBouncer, Supavisor, ...), but migrations,"
    " backups, restores and the service need a session: set STOCKY_DATABASE_DIRECT_URL to the server's own address"
    " (give 'stocky copy' that address); queries still go through the pooler"
)
ELSEWHERE = (
    "STOCKY_DATABASE_DIRECT_URL and STOCKY_DATABASE_URL name different databases or schemas; both must be addresses of"
    " the same one"
)

# What asyncpg raises: server errors, its own errors, and socket errors.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

_BACKEND = "SELECT pg_backend_pid()"
# Options that asyncpg takes only in a DSN: TLS and Kerberos.
_FROM_ADDRESS = (
    "gsslib",
    "krbsrvname",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
)
# Socket options by libpq's names; times in seconds, except the last, which is in milliseconds for both.
_SOCKET_OPTIONS = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}


async def connect(address: PostgresAddress, **arguments: Any) -> Any:
    """A connection to the first host that accepts one; `arguments` are asyncpg's.

    Each host gets the full timeout, since a host that is down never answers. Raises Unreachable, or Unavailable when a
    pooler refuses a startup parameter of the address.
    """
    try:
        return await _connect_to_any(address, arguments)
    except DRIVER_ERRORS as error:
        meaning = error_of_state(getattr(error, "sqlstate", None))
        detail = AWAY if meaning is None else meaning.detail
        retry_after = int(meaning.headers.get("Retry-After", 1)) if meaning is not None else 1
        raise Unreachable(detail, address, reason_of(error), retry_after=retry_after) from error


async def _connect_to_any(address: PostgresAddress, arguments: dict[str, Any]) -> Any:
    hosts: list[Any] = [[each] for each in address.hosts] or [[]]
    if address.parameters.get("target_session_attrs") == "prefer-standby":
        # Preferring one needs all of them in one call.
        hosts = [list(address.hosts)]
    *others, last = hosts
    for each in others:
        with suppress(OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched):
            return await _connect(address, each, arguments)
    return await _connect(address, last, arguments)


@asynccontextmanager
async def session(url: str, *, application: str = APPLICATION) -> AsyncIterator[Any]:
    """A connection with its own session for the block. Raises Unavailable where a pooler provides none.

    It sets only startup parameters that poolers support.
    """
    address = parse(url)
    connection = await connect(address, server_settings={"application_name": application})
    try:
        if await is_pooled(connection) and not await _keeps_sessions(address):
            raise Unavailable(NO_SESSION)
        yield connection
    finally:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            await asyncio.shield(connection.close(timeout=CONNECT_SECONDS))


async def examine(url: str, direct_url: str | None) -> bool:
    """Whether queries go through a pooler, which may be in transaction mode.

    Raises Unavailable when `direct_url` names another database than `url`, or when transactions are not possible.
    """
    connection = await _for_looking(parse(url))
    try:
        pooled = await is_pooled(connection)
        if direct_url is not None:
            async with session(direct_url) as direct:
                if not await _is_the_same_database(connection, direct):
                    raise Unavailable(ELSEWHERE)
        elif pooled:
            async with connection.transaction():
                pass
        return pooled
    except (asyncpg.ProtocolViolationError, asyncpg.ConnectionDoesNotExistError) as error:
        # PgBouncer in statement mode.
        raise Unavailable(f"The database cannot be used: {error}") from error
    finally:
        connection.terminate()


async def is_pooled(connection: Any) -> bool:
    """Whether a pooler is in between: the process id in its startup message is not that of the server process."""
    greeted: int = connection.get_server_pid()
    return greeted != await _backend(connection)


async def _for_looking(address: PostgresAddress) -> Any:
    return await connect(address, statement_cache_size=0, command_timeout=CONNECT_SECONDS)


async def _backend(connection: Any) -> int:
    # Unnamed: a named statement would remain on a server connection that others use next.
    statement = await connection.prepare(_BACKEND, name="")
    backend: int = await statement.fetchval()
    return backend


async def _keeps_sessions(address: PostgresAddress) -> bool:
    """Whether a pooler keeps one server connection per client, by comparing the backend of two clients.

    In transaction mode the second client gets the connection that the first one used last, and the first gets another.
    """
    ours = others = None
    try:
        ours, others = await _for_looking(address), await _for_looking(address)
        first = await _backend(ours)
        for _ in range(LOOKS):
            if await _backend(ours) != first:
                return False
            async with others.transaction():
                if await _backend(others) == first or await _backend(ours) != first:
                    return False
        return True
    except (TimeoutError, Unreachable) as error:
        if isinstance(error, Unreachable) and not isinstance(error.__cause__, TimeoutError):
            raise
        raise Unavailable(
            "The pooler in front of the database has no second connection for Stocky; give it a larger pool (PgBouncer:"
            " default_pool_size)"
        ) from error
    finally:
        for each in filter(None, (ours, others)):
            each.terminate()


async def _is_the_same_database(connection: Any, direct: Any) -> bool:
    """Advisory locks are per database: a lock taken through one address cannot be taken through the other."""
    key = secrets.randbits(62)
    schema = "SELECT current_schema()"
    async with direct.transaction():
        await direct.execute("SELECT pg_advisory_xact_lock($1::bigint)", key)
        here = await direct.fetchval(schema)
        async with connection.transaction():
            if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1::bigint)", key):
                return False
            same: bool = here == await connection.fetchval(schema)
            return same


async def _connect(address: PostgresAddress, hosts: list[tuple[str, int]], arguments: dict[str, Any]) -> Any:
    try:
        connection = await asyncpg.connect(**_arguments(address, hosts), **_merged(address, arguments))
    except asyncpg.ProtocolViolationError as error:
        # PgBouncer refuses startup parameters that it does not know, such as options.
        raise Unavailable(f"The database refuses the connection: {error}") from error
    _set_socket_options(connection, address.parameters)
    return connection


def _arguments(address: PostgresAddress, hosts: list[tuple[str, int]]) -> dict[str, Any]:
    """The parts of an address as asyncpg's arguments."""
    parameters = dict(address.parameters)
    mode = parameters.pop("sslmode", None)
    tls: Any = mode
    if parameters.get("channel_binding") == "require" and mode not in ("verify-ca", "verify-full"):
        # asyncpg has no channel binding; verifying the certificate excludes a man in the middle instead.
        tls = "verify-full"
        parameters.setdefault("sslrootcert", "system")
    if parameters.get("sslrootcert") == "system":
        del parameters["sslrootcert"]
        tls = _trusting_the_system(parameters)
    taken = {name: parameters[name] for name in _FROM_ADDRESS if name in parameters}
    given: dict[str, Any] = {
        "dsn": f"postgresql:///?{urlencode(taken)}" if taken else None,
        "host": [host for host, _ in hosts if host] or None,
        "port": [port for _, port in hosts] or None,
        "user": address.user or None,
        "password": address.password or None,
        "database": address.database,
        "ssl": tls,
        "passfile": parameters.get("passfile"),
        "target_session_attrs": parameters.get("target_session_attrs"),
    }
    return {name: value for name, value in given.items() if value is not None}


def _trusting_the_system(parameters: dict[str, str]) -> ssl.SSLContext:
    """A context that verifies certificate and host by this machine's trusted authorities."""
    context = ssl.create_default_context()
    if "sslcert" in parameters:
        context.load_cert_chain(
            parameters["sslcert"], parameters.get("sslkey"), lambda: parameters.get("sslpassword", "")
        )
    return context


def _merged(address: PostgresAddress, arguments: dict[str, Any]) -> dict[str, Any]:
    """The caller's arguments, combined with the address's parameters for the same options."""
    parameters = address.parameters
    seconds = int(parameters.get("connect_timeout", CONNECT_SECONDS))
    settings = {"timezone": "UTC", "application_name": APPLICATION} | arguments.get("server_settings", {})
    if name := parameters.get("application_name") or parameters.get("fallback_application_name"):
        settings["application_name"] = name
    if options := parameters.get("options"):
        settings["options"] = options
    # libpq takes 0 seconds as no limit.
    return {"timeout": seconds or None} | arguments | {"server_settings": settings}


def _set_socket_options(connection: Any, parameters: dict[str, str]) -> None:
    """As libpq does, so that a lost server is noticed on an idle connection."""
    # asyncpg has no public access to its socket.
    transport = connection._transport.get_extra_info("socket")
    if transport is None or transport.family == socket.AF_UNIX:
        return
    # Options cannot be set on uvloop's own sockets, but on one made from the same descriptor.
    with socket.socket(fileno=os.dup(transport.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(parameters.get("keepalives", "1")))
        for name, option in _SOCKET_OPTIONS.items():
            if parameters.get(name, "0") != "0" and hasattr(socket, option):
                same.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), int(parameters[name]))

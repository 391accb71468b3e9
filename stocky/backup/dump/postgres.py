"""Dumps a Postgres database in one repeatable-read transaction, in which Postgres formats the lines itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import msgspec

from stocky.backup.dump.foreign_objects import foreign_objects_in_postgres, foreign_objects_warnings
from stocky.backup.dump.format import LEDGER
from stocky.backup.dump.ledger import Continued, mark_in_postgres, settled_position
from stocky.backup.dump.lines import CHUNK
from stocky.backup.dump.objects import refuse_newer, stocky_objects
from stocky.backup.dump.postgres_schema import Table, read_schema
from stocky.backup.dump.tables import has_rows_in_dump
from stocky.backup.dump.writing import CONTENTS, Writer
from stocky.db.migration_files import number_of
from stocky.db.postgres import translate_errors
from stocky.db.postgres_connect import session
from stocky.errors import Unavailable

# Rows fetched at a time for a comparison.
ROWS = 2_000
# A restore locks the tables only briefly.
LOCK_TIMEOUT_MS = 20_000

# Valid on every server from 14 on. Backslashes stay literal whatever the settings of the target server.
_BEGIN = """SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET check_function_bodies = off;
SET client_min_messages = warning;
BEGIN;
"""

_TIME = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
# By column type: the literal without quotes, and whether it needs quotes.
_LITERALS = {
    "bigint": ("{0}", False),
    "integer": ("{0}", False),
    "smallint": ("{0}", False),
    "boolean": ("{0}", False),
    "text": ("replace({0}, '''', '''''')", True),
    "character varying": ("replace({0}, '''', '''''')", True),
    "timestamp with time zone": (_TIME, True),
    "timestamp without time zone": ("to_char({0}, 'YYYY-MM-DD HH24:MI:SS.US')", True),
    "date": ("to_char({0}, 'YYYY-MM-DD')", True),
}

_PRESENT = """
SELECT set_config('search_path', quote_ident(current_schema()), false), quote_ident(relname) AS name
  FROM pg_class
 WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind = 'r' AND relname = ANY($1::text[])
 ORDER BY relname COLLATE "C"
"""

# COPY's escapes of characters that would break its lines.
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPED = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"\\": b"\\"}


def write_postgres(
    writer: Writer, database_url: str, *, is_marked: bool = False, continued: Continued | None = None
) -> None:
    """Writes header, schema and rows; not the footer. See `write_sqlite`.

    Raises Unavailable when the database cannot be read, Conflict when a newer Stocky migrated it.
    """
    asyncio.run(_dump(writer, database_url, is_marked, continued))


async def _dump(writer: Writer, database_url: str, is_marked: bool, continued: Continued | None) -> None:
    with translate_errors():
        async with session(database_url, application="stocky backup") as connection:
            await _dump_by(writer, connection, is_marked, continued)


async def _dump_by(writer: Writer, connection: Any, is_marked: bool, continued: Continued | None) -> None:
    try:
        present = await connection.fetch(_PRESENT, list(stocky_objects("postgres").tables))
        if "_yoyo_migration" not in (names := [row["name"] for row in present]):
            raise Unavailable("There is no Stocky in this database yet; create it with 'stocky migrate'")
        settled = await settled_position(connection) if is_marked or continued is not None else None
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
            # Before the first read, which fixes the snapshot: then a restore is seen completely or not at all.
            await connection.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS SHARE MODE")
            await _write(writer, connection, settled, continued)
    except asyncpg.LockNotAvailableError as error:
        raise Unavailable("A restore is replacing the data; back up again after it") from error
    finally:
        connection.terminate()


@asynccontextmanager
async def snapshot(database_url: str) -> AsyncIterator[Snapshot]:
    """A snapshot of a database until the end of the block. Raises Unavailable."""
    with translate_errors():
        async with session(database_url, application="stocky comparison") as connection:
            try:
                present = await connection.fetch(_PRESENT, list(stocky_objects("postgres").tables))
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                    names = ", ".join(row["name"] for row in present)
                    await connection.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
                    schema = await read_schema(connection, stocky_objects("postgres"))
                    yield Snapshot(connection, {table.name: table for table in schema.tables})
            except asyncpg.LockNotAvailableError as error:
                raise Unavailable("A restore is replacing the data; try again after it") from error


class Snapshot:
    """A database as seen by one transaction."""

    def __init__(self, connection: Any, tables: dict[str, Table]) -> None:
        self._connection = connection
        self._tables = tables

    async def rows(
        self, table: str, key: list[str], columns: list[str]
    ) -> AsyncIterator[list[tuple[tuple[int | str, ...], str]]]:
        """Yields batches of keys and INSERT lines of a table, without line ends, in key order."""
        names = ", ".join(f'"{column}"' for column in key)
        live = self._tables[table]
        wanted = msgspec.structs.replace(live, columns=[each for each in live.columns if each.name in columns])
        query = lines_query(wanted).replace("SELECT ", f"SELECT {names}, ", 1)
        cursor = await self._connection.cursor(query)
        while batch := await cursor.fetch(ROWS):
            yield [(tuple(row)[:-1], row[-1]) for row in batch]

    async def name(self, query: str, key: tuple[int | str, ...]) -> str | None:
        """The value that a single-value query returns for a key; question marks stand for the key's values."""
        for index in range(1, len(key) + 1):
            query = query.replace("?", f"${index}", 1)
        name: str | None = await self._connection.fetchval(query, *key)
        return name


async def _write(writer: Writer, connection: Any, settled: tuple[int, int] | None, continued: Continued | None) -> None:
    newest: str = await connection.fetchval("SELECT max(migration_id) FROM _yoyo_migration")
    number = number_of(newest)
    refuse_newer("postgres", number)
    schema = await read_schema(connection, stocky_objects("postgres", number))
    writer.warnings = foreign_objects_warnings(await foreign_objects_in_postgres(connection, number))
    # The names in these statements are from our own schema.
    rows = {
        table.name: await connection.fetchval(f'SELECT count(*) FROM "{table.name}"')  # noqa: S608 - ours
        for table in schema.tables
    }
    increment = None
    ledger = next((table for table in schema.tables if table.name == LEDGER), None)
    if ledger is not None:
        total = rows[LEDGER]
        if continued is not None and await _continues(connection, ledger, number, total, continued):
            increment = continued.increment(total)
            rows[LEDGER] = total - continued.mark.events
            # During a long transaction the next increment starts where this one does.
            writer.mark = continued.mark
        if settled is not None:
            writer.mark = await mark_in_postgres(connection, partial(lines_query, ledger), total, settled)
    writer.begin("postgres", number, rows, increment)
    if "document" in rows:
        writer.contents = [(row[0], row[1]) for row in await connection.fetch(CONTENTS)]
    writer.write(_BEGIN)
    for function in schema.functions:
        writer.write(function)
    for table in schema.tables:
        writer.write(table.statement)
        if has_rows_in_dump(table.name):
            lines = _Lines(writer, table.name)
            is_part = increment is not None and table.name == LEDGER
            condition = f"WHERE id > {increment.after:d}" if increment is not None and is_part else ""
            await connection.copy_from_query(lines_query(table, condition), output=lines.take)
            lines.flush()
    for table in schema.tables:
        for column in table.columns:
            if column.is_identity:
                writer.write(await _sequence(connection, table.name, column.name))
    for statement in schema.after:
        writer.write(statement)
    writer.write("COMMIT;\n")


async def _continues(connection: Any, ledger: Table, schema: int, total: int, continued: Continued) -> bool:
    """Whether the ledger begins with that of the parent."""
    name, _, table = continued.mark.ledger.partition(" ")
    if name != "postgres" or not table.isdecimal() or continued.schema != schema:
        return False
    end = int(table), continued.mark.position
    return await mark_in_postgres(connection, partial(lines_query, ledger), total, end) == continued.mark


def lines_query(table: Table, condition: str = "") -> str:
    """A query of one column: the INSERT lines of the table, or of those that fulfil `condition`, in key order."""
    values = ", ".join(_literal(column.name, column.type) for column in table.columns)
    types = {column.name: column.type for column in table.columns}
    order = ", ".join(f'"{name}"{_collation(types[name])}' for name in table.key)
    return (
        f"""SELECT concat('INSERT INTO "{table.name}" VALUES(', concat_ws(',', {values}), ');')"""  # noqa: S608 - ours
        f' FROM "{table.name}" {condition}' + (f" ORDER BY {order}" if order else "")
    )


def _literal(name: str, type: str) -> str:
    form, is_quoted = _LITERALS[type.partition("(")[0]]
    value = form.format(f'"{name}"')
    if is_quoted:
        value = f"'''' || {value} || ''''"
    return f"coalesce(({value})::text, 'NULL')"


def _collation(type: str) -> str:
    # Text in byte order, as in SQLite.
    return ' COLLATE "C"' if type.startswith(("text", "character")) else ""


async def _sequence(connection: Any, table: str, column: str) -> str:
    """The statement that restores the sequence, so that ids of deleted last rows are not reused."""
    name = await connection.fetchval("SELECT pg_get_serial_sequence(quote_ident($1), $2)", table, column)
    row = await connection.fetchrow(f"SELECT last_value, is_called FROM {name}")  # noqa: S608 - quoted by Postgres
    called = "true" if row["is_called"] else "false"
    return (
        f"SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence('{table}', '{column}'),"
        f" {row['last_value']}, {called});\n"
    )


class _Lines:
    """Buffers the whole lines that COPY sends, and passes them to the writer in larger chunks."""

    def __init__(self, writer: Writer, table: str) -> None:
        self._writer = writer
        self._table = table
        self._waiting = bytearray()

    async def take(self, data: bytes) -> None:
        """Called by asyncpg for each piece; it reads on when this returns."""
        self._waiting += data
        if len(self._waiting) > CHUNK:
            self.flush()

    def flush(self) -> None:
        """Writes the buffered lines."""
        lines = bytes(self._waiting)
        self._waiting.clear()
        if lines:
            # COPY escapes line ends inside text, so each remaining one ends a row.
            count = lines.count(b"\n")
            if b"\\" in lines:
                lines = _ESCAPE.sub(lambda match: _ESCAPED[match[1]], lines)
            self._writer.write_rows(self._table, lines, count)

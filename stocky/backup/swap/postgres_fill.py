"""Fills a Postgres schema with the rows of a SQLite file, by COPY. Runs in a child process.

The migrations create the schema; its indexes and foreign keys are dropped before copying and created after.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from stocky.backup.dump.tables import BOOKKEEPING, EXCLUDED_TABLES
from stocky.backup.load.rows import Column, Table, tables_of
from stocky.backup.requests import FillRequest, FillResult
from stocky.config import Config
from stocky.db.migrate import migrate
from stocky.db.postgres import translate_errors
from stocky.db.postgres_connect import session
from stocky.errors import Unavailable
from stocky.progress import ProgressCallback

ROWS = 2_000

_REFERENCES = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS take_off,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS put_on
  FROM pg_constraint
 WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
"""
_INDEXES = """
SELECT format('DROP INDEX %s', indexrelid::regclass) AS take_off, pg_get_indexdef(indexrelid) AS put_on
  FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
 WHERE relnamespace = current_schema()::regnamespace
   AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
"""
# The triggers would mark rows for the search index, which is rebuilt completely anyway.
_TRIGGERS = """
SELECT format('ALTER TABLE %s DISABLE TRIGGER USER', tgrelid::regclass) AS take_off,
       format('ALTER TABLE %s ENABLE TRIGGER USER', tgrelid::regclass) AS put_on
  FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
 WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal
 GROUP BY tgrelid
"""
_SEQUENCES = """
SELECT attrelid::regclass::text AS table, quote_ident(attname) AS column,
       pg_get_serial_sequence(attrelid::regclass::text, attname) AS sequence
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
 WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND attidentity <> ''
"""


def fill(request: FillRequest, report: ProgressCallback) -> FillResult:
    """Creates and fills the tables in the empty `request.schema`. Raises Unavailable, Invalid, OutOfSpace."""
    here = Path(request.scratch).parent
    migrate(Config(request.database_url, data_dir=here, backup_dir=here, secret_key="", schema=request.schema))
    return asyncio.run(_fill(request, report))


async def _fill(request: FillRequest, report: ProgressCallback) -> FillResult:
    with translate_errors(), _rows(Path(request.scratch)) as scratch:
        async with session(request.database_url) as connection:
            await connection.execute(f"SET search_path = {request.schema}")
            tables = [table for name, table in tables_of(scratch).items() if name not in BOOKKEEPING | EXCLUDED_TABLES]
            put_on = await _drop_for_copy(connection, _TRIGGERS) + await _drop_for_copy(connection, _INDEXES)
            references = await _drop_for_copy(connection, _REFERENCES)
            if request.references:
                put_on += references
            rows = await _copy_all(connection, scratch, tables, request.schema, report)
            for done, statement in enumerate(put_on):
                report("indexing the copy", done, len(put_on), "indexes")
                await connection.execute(statement)
            await _set_sequences(connection)
            # Only these tables: a full ANALYZE would wait for locks on the live ones.
            names = ", ".join(f'"{table.name}"' for table in tables)
            await connection.execute(f"ANALYZE {names}")
    return FillResult(rows=rows)


@contextmanager
def _rows(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        yield connection


async def _drop_for_copy(connection: Any, query: str) -> list[str]:
    statements = await connection.fetch(query)
    for statement in statements:
        await connection.execute(statement["take_off"])
    return [statement["put_on"] for statement in statements]


async def _copy_all(
    connection: Any, scratch: sqlite3.Connection, tables: list[Table], schema: str, report: ProgressCallback
) -> dict[str, int]:
    counts = {
        table.name: scratch.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0]  # noqa: S608 - names of ours
        for table in tables
    }
    total, done = sum(counts.values()), 0
    for table in tables:
        # The file also holds the rows that migrations insert.
        await connection.execute(f'TRUNCATE "{table.name}"')

        async def lines(of: Table = table) -> AsyncIterator[bytes]:
            nonlocal done
            cursor = scratch.execute(_csv(of))
            while rows := cursor.fetchmany(ROWS):
                yield "".join(line for (line,) in rows).encode()
                done += len(rows)
                report("copying", done, total, "rows")

        status: str = await connection.copy_to_table(
            table.name,
            schema_name=schema,
            columns=[column.name for column in table.columns],
            source=lines(),
            format="csv",
        )
        if int(status.rpartition(" ")[2]) != counts[table.name]:
            raise Unavailable(f"{table.name}: {counts[table.name]} rows to copy, but Postgres reported {status}")
    return counts


def _csv(table: Table) -> str:
    """The query that returns each row as a CSV line: a quoted field is a value, an empty one is NULL."""
    values = " || ',' || ".join(f"coalesce({_csv_value(column)}, '')" for column in table.columns)
    return f'SELECT {values} || char(10) FROM "{table.name}" ORDER BY rowid'  # noqa: S608 - names of our own schema


def _csv_value(column: Column) -> str:
    name = f'"{column.name}"'
    if column.kind in ("integer", "boolean"):
        return f"CAST({name} AS TEXT)"
    if column.kind == "blob":
        return f"'\"\\x' || hex({name}) || '\"'"
    return f"'\"' || replace({name}, '\"', '\"\"') || '\"'"


async def _set_sequences(connection: Any) -> None:
    for each in await connection.fetch(_SEQUENCES):
        await connection.execute(
            f"SELECT setval($1::regclass, (SELECT coalesce(max({each['column']}), 0) + 1 FROM {each['table']}), false)",  # noqa: S608 - quoted by Postgres
            each["sequence"],
        )

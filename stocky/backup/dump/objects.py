"""Lists Stocky's database objects: those its migrations create. A backup holds no others."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from functools import cache

import msgspec

from stocky.backup.dump.format import Dialect
from stocky.backup.dump.tables import BOOKKEEPING
from stocky.db.migration_files import migration_files, schema_version
from stocky.errors import Conflict

# A test compares the matches with the objects of a migrated database.
_MADE = re.compile(
    r"^(CREATE|DROP) (?:OR REPLACE |UNIQUE )?(TABLE|VIEW|FUNCTION|INDEX|TRIGGER) (?:IF (?:NOT )?EXISTS )?(\w+)",
    re.MULTILINE,
)


class Objects(msgspec.Struct, frozen=True):
    """Object names, including the migrations' own tables, and the ordered columns of each table."""

    tables: frozenset[str]
    views: frozenset[str]
    functions: frozenset[str]
    indexes: frozenset[str]
    triggers: frozenset[str]
    columns: dict[str, tuple[str, ...]]


@cache
def stocky_objects(dialect: Dialect, schema: int | None = None) -> Objects:
    """The objects of a database with the schema number `schema`, or of this version's schema when it is None."""
    made: dict[str, set[str]] = {kind: set() for kind in ("TABLE", "VIEW", "FUNCTION", "INDEX", "TRIGGER")}
    for file in migration_files(dialect, schema):
        for verb, kind, name in _MADE.findall(file.read_text("utf-8")):
            (made[kind].add if verb == "CREATE" else made[kind].discard)(name)
    return Objects(
        tables=frozenset(made["TABLE"] | BOOKKEEPING),
        views=frozenset(made["VIEW"]),
        functions=frozenset(made["FUNCTION"]),
        indexes=frozenset(made["INDEX"]),
        triggers=frozenset(made["TRIGGER"]),
        columns={name: columns for name, (columns, _) in _sqlite_tables(schema).items()},
    )


def refuse_newer(dialect: Dialect, schema: int) -> None:
    """Raises Conflict for a database of a newer Stocky, whose objects are unknown here."""
    if schema > (current := schema_version(dialect)):
        raise Conflict(
            f"The database was migrated by a newer Stocky (schema {schema}; this one has {current}); back it up with"
            " that version or a later one"
        )


def table_statement(table: str, schema: int | None) -> str:
    """The SQLite CREATE TABLE statement of a table after all migrations."""
    return _sqlite_tables(schema)[table][1]


@cache
def _sqlite_tables(schema: int | None) -> dict[str, tuple[tuple[str, ...], str]]:
    """The columns and CREATE statement of each table. Both dialects have the same tables and columns."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for file in migration_files("sqlite", schema):
            connection.executescript(file.read_text("utf-8"))
        tables = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {
            name: (tuple(row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))), text)
            for name, text in tables
        }

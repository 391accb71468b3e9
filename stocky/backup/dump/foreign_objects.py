"""Names what a database holds that is not Stocky's: no backup holds it, and each that leaves something out says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from stocky.backup.dump.objects import Objects, stocky_objects
from stocky.backup.dump.tables import is_index_of_search

# Names in one warning; a database shared with another program may hold hundreds.
NAMED = 20

_SQLITE_OBJECTS = """
SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
 ORDER BY type, name
"""
_SQLITE_COLUMNS = """
SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY t.name, c.cid
"""
# Of the current schema; what an extension brought is named by the extension.
_POSTGRES_OBJECTS = """
WITH own AS (SELECT quote_ident(current_schema())::regnamespace AS schema),
     brought AS (SELECT objid FROM pg_depend WHERE deptype = 'e')
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                    WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' ELSE 'table' END AS kind, relname::text AS name
  FROM pg_class, own
 WHERE relnamespace = own.schema AND relkind <> 'c' AND pg_class.oid NOT IN (SELECT objid FROM brought)
   -- Indexes of constraints and sequences of columns go with their tables.
   AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = pg_class.oid AND contype IN ('p', 'u', 'x'))
   AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND classid = 'pg_class'::regclass
                                             AND deptype IN ('a', 'i') AND relkind = 'S')
   -- The indexes of another's table are named by the table.
   AND (relkind NOT IN ('i', 'I') OR EXISTS (SELECT 1 FROM pg_index JOIN pg_class t ON t.oid = indrelid
                                              WHERE indexrelid = pg_class.oid AND t.relname = ANY($1::text[])))
UNION ALL
SELECT 'function', proname::text FROM pg_proc, own
 WHERE pronamespace = own.schema AND oid NOT IN (SELECT objid FROM brought)
UNION ALL
SELECT 'trigger', tgname::text FROM pg_trigger JOIN pg_class t ON t.oid = tgrelid, own
 WHERE relnamespace = own.schema AND relname = ANY($1::text[]) AND NOT tgisinternal
UNION ALL
SELECT 'column', relname || '.' || attname FROM pg_attribute JOIN pg_class t ON t.oid = attrelid, own
 WHERE relnamespace = own.schema AND relname = ANY($1::text[]) AND attnum > 0 AND NOT attisdropped AND relkind = 'r'
UNION ALL
SELECT 'constraint', relname || '.' || conname FROM pg_constraint JOIN pg_class t ON t.oid = conrelid, own
 WHERE relnamespace = own.schema AND relname = ANY($1::text[])
   AND (contype IN ('u', 'x') OR contype = 'f' AND NOT EXISTS (SELECT 1 FROM pg_class other
                                   WHERE other.oid = confrelid AND other.relnamespace = own.schema
                                     AND other.relname = ANY($1::text[])))
UNION ALL
SELECT 'extension', extname::text FROM pg_extension
 ORDER BY kind, name
"""
# Postgres comes with the one, and the search makes the other where it may.
_OWN_EXTENSIONS = frozenset({"plpgsql", "pg_trgm"})
# Needs that extension; a start makes it again.
TRIGRAMS = "search_text_trigrams"


def foreign_objects_in_sqlite(connection: sqlite3.Connection, schema: int | None = None) -> list[str]:
    """What a database of that schema holds that is not Stocky's, each with its kind: "table neighbour"."""
    known = stocky_objects("sqlite", schema)
    objects = connection.execute(_SQLITE_OBJECTS).fetchall()
    columns = connection.execute(_SQLITE_COLUMNS).fetchall()
    return _foreign(known, [*objects, *(("column", f"{table}.{column}") for table, column in columns)])


async def foreign_objects_in_postgres(connection: Any, schema: int | None = None) -> list[str]:
    """The same of the current schema of a Postgres database."""
    known = stocky_objects("postgres", schema)
    return _foreign(known, [tuple(row) for row in await connection.fetch(_POSTGRES_OBJECTS, sorted(known.tables))])


def foreign_objects_warnings(objects: Sequence[str]) -> list[str]:
    """The warning about what a backup does not hold; none when there is nothing."""
    return [f"Not in the backup, because it is not Stocky's: {list_names(objects)}"] if objects else []


def list_names(objects: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(objects) - NAMED} more" if len(objects) > NAMED else ""
    return ", ".join(objects[:NAMED]) + more


def _foreign(known: Objects, objects: list[Any]) -> list[str]:
    own: dict[str, frozenset[str]] = {
        "table": known.tables,
        "view": known.views,
        "function": known.functions,
        "index": known.indexes | {TRIGRAMS},
        "trigger": known.triggers,
        "extension": _OWN_EXTENSIONS,
    }
    return [f"{kind} {name}" for kind, name in objects if not _is_own(kind, name, own, known)]


def _is_own(kind: str, name: str, own: dict[str, frozenset[str]], known: Objects) -> bool:
    if kind == "column":
        table, _, column = name.partition(".")
        # Of a table that is not Stocky's, or the migrations' own, no column is named.
        return column in known.columns.get(table, {column})
    return name in own.get(kind, frozenset()) or is_index_of_search(name)

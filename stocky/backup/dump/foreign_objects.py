"""Lists objects in a database that are not Stocky's. No backup holds them, and each backup warns about them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from stocky.backup.dump.objects import Objects, stocky_objects
from stocky.backup.dump.tables import is_index_of_search

# Names per warning; a database shared with another program may hold hundreds.
NAMED = 20

_SQLITE_OBJECTS = """
SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
 ORDER BY type, name
"""
_SQLITE_COLUMNS = """
SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY t.name, c.cid
"""
# Objects of the current schema; objects of an extension are covered by the extension's name.
_POSTGRES_OBJECTS = """
WITH own AS (SELECT quote_ident(current_schema())::regnamespace AS schema),
     brought AS (SELECT objid FROM pg_depend WHERE deptype = 'e')
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                    WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' ELSE 'table' END AS kind, relname::text AS name
  FROM pg_class, own
 WHERE relnamespace = own.schema AND relkind <> 'c' AND pg_class.oid NOT IN (SELECT objid FROM brought)
   -- Indexes of constraints and sequences of columns belong to their tables.
   AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = pg_class.oid AND contype IN ('p', 'u', 'x'))
   AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND classid = 'pg_class'::regclass
                                             AND deptype IN ('a', 'i') AND relkind = 'S')
   -- Indexes of foreign tables are covered by the table's name.
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
# Postgres comes with the first, and the search creates the second if permitted.
_OWN_EXTENSIONS = frozenset({"plpgsql", "pg_trgm"})
# Needs that extension; recreated at start.
TRIGRAMS = "search_text_trigrams"


def foreign_objects_in_sqlite(connection: sqlite3.Connection, schema: int | None = None) -> list[str]:
    """The objects in a database of that schema that are not Stocky's, each with its kind: "table neighbour"."""
    known = stocky_objects("sqlite", schema)
    objects = connection.execute(_SQLITE_OBJECTS).fetchall()
    columns = connection.execute(_SQLITE_COLUMNS).fetchall()
    return _foreign(known, [*objects, *(("column", f"{table}.{column}") for table, column in columns)])


async def foreign_objects_in_postgres(connection: Any, schema: int | None = None) -> list[str]:
    """The same for the current schema of a Postgres database."""
    known = stocky_objects("postgres", schema)
    return _foreign(known, [tuple(row) for row in await connection.fetch(_POSTGRES_OBJECTS, sorted(known.tables))])


def foreign_objects_warnings(objects: Sequence[str]) -> list[str]:
    """The warning about objects left out of a backup; none when there are none."""
    return [f"Not in the backup, because these objects are not Stocky's: {list_names(objects)}"] if objects else []


def list_names(objects: Sequence[str]) -> str:
    """The first names, and the number of further ones."""
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
        # Columns of foreign tables and of the migrations' own tables are not listed.
        return column in known.columns.get(table, {column})
    return name in own.get(kind, frozenset()) or is_index_of_search(name)

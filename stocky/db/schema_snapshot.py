"""A schema's objects with their definitions, so that two schemas can be compared object by object.

Rows are not included, nor is the search index, which every start creates if missing.
"""

from __future__ import annotations

import re
from typing import Any

# The definition of each object, by its kind and name as in `table item` or `column item.code`.
Snapshot = dict[str, str]

_BOOKKEEPING = ("_yoyo_", "yoyo_", "migration_checksum")
_SEARCH_INDEX = "search_index"

_SQLITE = """
SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
"""
_SQLITE_COLUMNS = """
SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'
"""
# Of the current schema. The pretty forms of Postgres's functions omit a schema that is in the search path.
_POSTGRES = """
WITH relation AS (
    SELECT oid, relname::text AS name, relkind FROM pg_class
     WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind IN ('r', 'v')
)
SELECT 'table', name, name, '' FROM relation WHERE relkind = 'r'
UNION ALL
SELECT 'view', name, name, pg_get_viewdef(oid, true) FROM relation WHERE relkind = 'v'
UNION ALL
SELECT 'column', name || '.' || attname, name,
       concat_ws(' ', format_type(atttypid, atttypmod), attidentity, pg_get_expr(adbin, adrelid),
                 CASE WHEN attnotnull THEN 'NOT NULL' END)
  FROM relation JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
 WHERE relkind = 'r'
UNION ALL
SELECT 'constraint', name || '.' || conname, name, pg_get_constraintdef(pg_constraint.oid, true)
  FROM relation JOIN pg_constraint ON conrelid = relation.oid AND contype IN ('c', 'f', 'p', 'u')
UNION ALL
SELECT 'index', pg_class.relname, name, pg_get_indexdef(indexrelid, 0, true)
  FROM relation JOIN pg_index ON indrelid = relation.oid JOIN pg_class ON pg_class.oid = indexrelid
 WHERE NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
UNION ALL
SELECT 'trigger', name || '.' || tgname, name, pg_get_triggerdef(pg_trigger.oid, true)
  FROM relation JOIN pg_trigger ON tgrelid = relation.oid AND NOT tgisinternal
UNION ALL
SELECT 'function', proname, proname, prosrc
  FROM pg_proc
 WHERE pronamespace = quote_ident(current_schema())::regnamespace AND prokind = 'f'
   AND NOT EXISTS (SELECT 1 FROM pg_depend
                    WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
"""


def read_snapshot(connection: Any, *, is_sqlite: bool) -> Snapshot:
    """Every object in the current schema, except the bookkeeping of migrations, by sqlite3 or psycopg."""
    rows = connection.execute(_SQLITE if is_sqlite else _POSTGRES).fetchall()
    found = {
        f"{kind} {name}": _plain(text)
        for kind, name, table, text in rows
        if not table.startswith(_BOOKKEEPING) and not name.startswith((_SEARCH_INDEX, "search_text_trigrams"))
    }
    if is_sqlite:
        tables = {name for kind, name, _, _ in rows if kind == "table"}
        columns = connection.execute(_SQLITE_COLUMNS).fetchall()
        found |= {
            f"column {table}.{column}": "" for table, column in columns if table in tables and f"table {table}" in found
        }
    return found


def _plain(definition: str) -> str:
    """A definition without the quotes and spaces that SQLite writes differently after an ALTER TABLE."""
    return re.sub(r"\s*([(),])\s*", r"\1", re.sub(r"\s+", " ", definition.replace('"', ""))).strip()

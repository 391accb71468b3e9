"""Completes what is derived of locations: the keys of their names, their paths, and which of them are duplicates.

For databases whose locations have none, or others: after the migration that adds the columns, and for loaded dumps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stocky.db.queries import load_queries
from stocky.names import name_key
from stocky.resources import resource

# The migration that adds the columns.
ADDED_BY = 25
# Sets the paths of all locations, which must have none; those in themselves get none. For both dialects.
SET_ALL_PATHS = """
WITH RECURSIVE placed (id, path, path_key) AS (
    SELECT id, step, step_key FROM location_step WHERE parent_id IS NULL
    UNION ALL
    SELECT child.id, placed.path || ' / ' || child.step, placed.path_key || ' / ' || child.step_key
      FROM placed JOIN location_step AS child ON child.parent_id = placed.id
)
UPDATE location
   SET path = placed.path, path_key = placed.path_key
  FROM placed
 WHERE placed.id = location.id"""


def complete_locations(dialect: str, execute: Callable[..., Any]) -> None:
    """Derives everything anew. `execute` takes a statement and named parameters, and returns a cursor.

    A location that is in itself has no path afterwards.
    """
    # Each counts as a duplicate until all have their paths.
    execute("UPDATE location SET name_key = NULL, path = NULL, path_key = NULL, duplicate_no = id")
    for location_id, name in execute("SELECT id, name FROM location").fetchall():
        execute("UPDATE location SET name_key = :key WHERE id = :id", {"key": name_key(name), "id": location_id})
    execute(SET_ALL_PATHS)
    execute(load_queries(resource("sql"), dialect)["free_duplicates"].text)

"""Lists what a restore would change: compares the live database with a scratch database, key by key.

Runs in a child process. Both are read in key order, so memory does not grow with their size. Examples are names;
values are never reported, because some are hashes and secrets.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Protocol

from stocky.backup.dump.format import Dialect
from stocky.backup.dump.lines import keyed_lines
from stocky.backup.dump.tables import is_data
from stocky.backup.load.rows import Table, tables_of
from stocky.backup.requests import CompareRequest, CompareResult, TableChanges
from stocky.db.sqlite_file import translate_errors
from stocky.progress import ProgressCallback

EXAMPLES = 5
ROWS = 2_000
LONGEST_NAME = 80
# The dialect of the compared lines; both databases can write it.
STYLE: Dialect = "postgres"
# Columns that change with any other column.
_TOUCHED = {"updated_at", "version"}

_ITEM = "(SELECT item.name FROM item WHERE item.id = this.item_id)"
_TAG = "(SELECT tag.name FROM tag WHERE tag.id = this.tag_id)"
_FIELD = "(SELECT item_field.name FROM item_field WHERE item_field.id = this.field_id)"
_LOCATION = "(SELECT location.path FROM location WHERE location.id = this.location_id)"
_LENT = "(SELECT item.name FROM sku JOIN item ON item.id = sku.item_id WHERE sku.id = this.sku_id)"
_PERSON = "(SELECT location.path FROM sku JOIN location ON location.id = sku.location_id WHERE sku.id = this.sku_id)"
# The name of a row, in SQL of both dialects; other tables use the key. Never URLs or values of settings.
NAMES = {
    "alert": "this.message",
    "api_key": "this.name",
    "audit_entry": "this.action || ' ' || this.subject",
    "barcode": f"this.code || ' of ' || {_ITEM}",
    "box": "(SELECT location.path FROM location WHERE location.box_no = this.box_no AND location.loc_no IS NULL)",
    "document": f"this.name || ' of ' || {_ITEM}",
    "item": "this.name",
    "item_field": "this.name",
    "item_field_value": f"{_ITEM} || ': ' || {_FIELD}",
    "item_merge": "(SELECT item.name FROM item WHERE item.id = this.source_id)",
    "item_tag": f"{_ITEM} || ': ' || {_TAG}",
    "item_type": "this.name",
    "listed_project": "(SELECT project.name FROM project WHERE project.id = this.project_id)",
    "loan": f"{_LENT} || ', ' || {_PERSON}",
    "location": "this.path",
    "notice_channel": "this.name",
    "price": f"{_ITEM} || ', ' || this.seller",
    "project": "this.name",
    "project_entry": f"coalesce({_ITEM}, this.text)",
    "scanner": "this.scanner_id",
    "setting": "this.name",
    "shopping_list": "this.name",
    "shopping_list_entry": f"coalesce({_ITEM}, this.text)",
    "shopping_list_log": "this.action_type",
    "sku": f"{_ITEM} || ', ' || {_LOCATION} || CASE WHEN this.lot = '' THEN '' ELSE ', ' || this.lot END",
    "stock_event": f"this.kind || ' ' || {_ITEM}",
    "suggestion": f"{_ITEM} || ', ' || this.kind",
    "tag": "this.name",
    "user_account": "this.username",
    "webhook": "nullif(this.description, '')",
}

Key = tuple[int | str, ...]
Keyed = tuple[Key, str]


class Live(Protocol):
    """A snapshot of the live database."""

    def rows(self, table: str, key: list[str], columns: list[str]) -> AsyncIterator[list[Keyed]]:
        """Yields batches of keys and lines of a table, in key order."""
        ...

    async def name(self, query: str, key: Key) -> str | None:
        """The value that a single-value query returns for a key."""
        ...


def compare(request: CompareRequest, report: ProgressCallback) -> CompareResult:
    """Compares both databases. Raises Unavailable or OutOfSpace when the live one cannot be read."""
    return asyncio.run(_compare(request, report))


async def _compare(request: CompareRequest, report: ProgressCallback) -> CompareResult:
    scratch = Path(request.scratch)
    changes: dict[str, TableChanges] = {}
    with translate_errors(), closing(sqlite3.connect(f"{scratch.as_uri()}?mode=ro", uri=True)) as restored:
        tables = [table for name, table in sorted(tables_of(restored).items()) if is_data(name)]
        async with _open_live(request.database_url, scratch.parent) as live:
            for done, table in enumerate(tables):
                report("comparing", done, len(tables), "tables")
                key = _key(restored, table)
                columns = [column.name for column in table.columns]
                comparison = _Comparison(keyed_lines(restored, table.name, key, STYLE, columns))
                async for batch in live.rows(table.name, key, columns):
                    for row in batch:
                        comparison.take(*row)
                comparison.finish()
                if comparison.added or comparison.removed or comparison.changed:
                    changes[table.name] = await _describe(comparison, table, key, live, restored)
    return CompareResult(changes=changes)


class _Comparison:
    """The comparison of one table. Live rows are passed to `take` in the key order of the restored rows."""

    def __init__(self, restored: Iterator[Keyed]) -> None:
        self.added = self.removed = self.changed = 0
        self.examples: dict[str, list[tuple[Key, str, str]]] = {"added": [], "removed": [], "changed": []}
        self._restored = restored
        self._next = next(restored, None)

    def take(self, key: Key, line: str) -> None:
        """Compares a live row."""
        while self._next is not None and self._next[0] < key:
            self._add(*self._next)
        if self._next is None or self._next[0] != key:
            self.removed += 1
            self._add_example("removed", key, line, "")
            return
        if self._next[1] != line:
            self.changed += 1
            self._add_example("changed", key, line, self._next[1])
        self._next = next(self._restored, None)

    def finish(self) -> None:
        """Counts the remaining restored rows, after the last live row."""
        while self._next is not None:
            self._add(*self._next)

    def _add(self, key: Key, line: str) -> None:
        self.added += 1
        self._add_example("added", key, "", line)
        self._next = next(self._restored, None)

    def _add_example(self, what: str, key: Key, live: str, restored: str) -> None:
        if len(self.examples[what]) < EXAMPLES:
            self.examples[what].append((key, live, restored))


async def _describe(
    comparison: _Comparison, table: Table, key: list[str], live: Live, restored: sqlite3.Connection
) -> TableChanges:
    """The counts with examples by name: the current name and, where it changes, the new one."""
    query = _name_query(table.name, key)

    def name_after(key: Key) -> str | None:
        return _one(restored.execute(query, key).fetchone())

    async def named(found: Key, *, before: bool, after: bool) -> str:
        names = [await live.name(query, found)] if before else []
        names += [name_after(found)] if after else []
        fallback = ", ".join(f"{column} {value}" for column, value in zip(key, found, strict=True))
        labels = [_short(name) for name in names if name] or [fallback]
        return " -> ".join(dict.fromkeys(labels))

    changed = []
    for found, line, other in comparison.examples["changed"]:
        columns = _changed_columns(table, line, other)
        name = await named(found, before=True, after=True)
        changed.append(f"{name} ({', '.join(columns)})" if columns else name)
    return TableChanges(
        added=comparison.added,
        removed=comparison.removed,
        changed=comparison.changed,
        examples_added=[await named(each, before=False, after=True) for each, *_ in comparison.examples["added"]],
        examples_removed=[await named(each, before=True, after=False) for each, *_ in comparison.examples["removed"]],
        examples_changed=changed,
    )


def _changed_columns(table: Table, line: str, other: str) -> list[str]:
    """The names of the columns in which two lines differ; none when a line is not in the usual form."""
    match, other_match = (table.pattern.fullmatch(f"{each}\n") for each in (line, other))
    if match is None or other_match is None:
        return []
    pairs = zip(table.columns, match.groups(), other_match.groups(), strict=True)
    names = [column.name for column, value, other_value in pairs if value != other_value]
    return [name for name in names if name not in _TOUCHED] or names


def _name_query(table: str, key: list[str]) -> str:
    """The query for a row's name by its key, with a question mark for each key value."""
    name = NAMES.get(table, "NULL")
    where = " AND ".join(f"this.{column} = ?" for column in key)
    return f"SELECT {name} FROM {table} AS this WHERE {where}"  # noqa: S608 - names of our own schema


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _one(row: tuple[Any, ...] | None) -> str | None:
    return None if row is None else row[0]


def _key(connection: sqlite3.Connection, table: Table) -> list[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (table.name,))
    return [name for (name,) in rows]


@asynccontextmanager
async def _open_live(database_url: str, directory: Path) -> AsyncIterator[Live]:
    if database_url.startswith("sqlite:"):
        from stocky.backup.dump.sqlite import take_copy

        # The live file is read only while it is copied; see dump/sqlite.
        copy = directory / "live.db"
        take_copy(Path(database_url.removeprefix("sqlite:///")), copy)
        with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True)) as connection:
            yield _SqliteCopy(connection)
        copy.unlink()
    else:
        from stocky.backup.dump.postgres import snapshot

        async with snapshot(database_url) as live:
            yield live


class _SqliteCopy:
    """A private copy of a live SQLite file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def rows(self, table: str, key: list[str], columns: list[str]) -> AsyncIterator[list[Keyed]]:
        """See Live. Blocking is fine here: the child process has no other task."""
        for row in keyed_lines(self._connection, table, key, STYLE, columns):
            yield [row]

    async def name(self, query: str, key: Key) -> str | None:
        """See Live."""
        return _one(self._connection.execute(query, key).fetchone())

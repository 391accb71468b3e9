"""The statements of a partial import, for both dialects, and the rules that reject it.

Rows of privileged tables are rejected unless their table is named, so an import cannot change access rights by chance.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import msgspec

from stocky.backup.dump.tables import BOOKKEEPING, DERIVED, EXCLUDED_TABLES, PRIVILEGED
from stocky.backup.load.rows import tables_of
from stocky.catalogue.fields import FieldKind, is_stored_value
from stocky.catalogue.schemas import LONGEST_PATH
from stocky.db.location_paths import SET_ALL_PATHS
from stocky.db.queries import load_queries
from stocky.errors import BadRequest
from stocky.notices.repository import MAX_CHANNELS
from stocky.resources import resource
from stocky.webhooks.repository import MAX_WEBHOOKS

# Rows that an item merged into another must not have, by table and condition.
_MOVED_BY_MERGE = {
    "barcode": "TRUE",
    "sku": "own.quantity_milli <> 0",
    "shopping_list_entry": "TRUE",
    "project_entry": "TRUE",
    "document": "TRUE",
}

# The immutable creation time, by table: it differs when the same id is another Stocky's row. Only tables that others
# refer to: imported rows would be attached to the wrong row.
_CREATED_AT = {
    "item": "created_at",
    "location": "created_at",
    "sku": "created_at",
    "stock_event": "recorded_at",
    "item_field": "created_at",
    "loan": "created_at",
    "shopping_list": "created_at",
    "project": "created_at",
}

# Values that replace those of the dump: it may be another Stocky's, and receivers would mistake its events for this
# one's.
_INACTIVE_REASON = "created by an import; make it active to enable it"
_INACTIVE = {
    "is_active": "FALSE",
    "inactive_reason": f"CASE WHEN is_active THEN '{_INACTIVE_REASON}' ELSE inactive_reason END",
}
_IMPORTED_VALUES = {
    "webhook": _INACTIVE,
    "notice_channel": _INACTIVE,
    # What they are in may be here and not in the dump.
    "location": {"path": "NULL", "path_key": "NULL"},
}

# The imported values of custom fields that are read at once.
_VALUES = 5_000

# Tables whose rows are part of an item.
_SHOWN_IN_ITEMS = ("barcode", "item_tag", "item_field_value")

# Yields statements; the caller sends the rows of each, or the number of rows it added.
Merge = Generator[str, Any, "Imported"]


class Imported(msgspec.Struct, frozen=True):
    """The added rows, and the number of existing ones that were skipped."""

    records_imported: int
    skipped: int
    tables_affected: list[str]
    notes: list[str]


class Staged(msgspec.Struct, frozen=True):
    """A table of the staging database with rows: its columns, key columns, and row count."""

    name: str
    columns: list[str]
    key: list[str]
    rows: int

    @property
    def same_key(self) -> str:
        """An SQL condition: a row of `theirs` and one of `ours` have the same key."""
        return " AND ".join(f"theirs.{column} = ours.{column}" for column in self.key)


def staged_tables(staging: Path) -> list[Staged]:
    """The tables with rows, each after the tables it refers to."""
    with closing(sqlite3.connect(f"{staging.as_uri()}?mode=ro", uri=True)) as connection:
        shapes = {name: table for name, table in tables_of(connection).items() if name not in BOOKKEEPING | DERIVED}
        order = TopologicalSorter(
            {
                name: {
                    parent
                    for (parent,) in connection.execute('SELECT "table" FROM pragma_foreign_key_list(?)', (name,))
                    if parent != name
                }
                for name in shapes
            }
        ).static_order()
        found = []
        for name in order:
            # The names are those of our own schema.
            (rows,) = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()
            keys = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (name,))
            if rows:
                columns = [column.name for column in shapes[name].columns]
                found.append(Staged(name, columns, [key for (key,) in keys], rows))
        return found


def merge_script(staged: list[Staged], live: str, staging: str, *, force: bool, named: frozenset[str]) -> Merge:
    """The statements of an import from schema `staging` into schema `live`, to run in one transaction."""
    added: dict[str, int] = {}
    notes = []
    yield from _refuse_privileged(
        [table for table in staged if table.name in PRIVILEGED and not (force and table.name in named)],
        live,
        staging,
        sorted(named),
    )
    for table in staged:
        source, target = f"{staging}.{table.name}", f"{live}.{table.name}"
        if not force:
            yield from _refuse_existing(table, source, target)
        elif created_at := _CREATED_AT.get(table.name):
            yield from _refuse_foreign(table, source, target, created_at)
        columns = ", ".join(table.columns)
        imported_values = _IMPORTED_VALUES.get(table.name, {})
        values = ", ".join(imported_values.get(column, column) for column in table.columns)
        # SQLite needs the WHERE: without it the ON of ON CONFLICT would be parsed as that of a join.
        conflict = " WHERE TRUE ON CONFLICT DO NOTHING" if force else ""
        added[table.name] = yield f"INSERT INTO {target} ({columns}) SELECT {values} FROM {source}{conflict}"
        if table.name in PRIVILEGED and added[table.name]:
            notes.append(f"{added[table.name]} rows of {table.name} were added, which may change access rights")
    if added.get("webhook"):
        notes.append("Added webhooks are inactive; activate them under /webhooks if intended")
        yield from _check_limit(live, "webhook", "webhooks", MAX_WEBHOOKS)
    if added.get("notice_channel"):
        notes.append("Added channels of notices are inactive; activate them under /notices if intended")
        yield from _check_limit(live, "notice_channel", "channels of notices", MAX_CHANNELS)
    if notes:
        yield f"UPDATE {live}.auth_revision SET revision = revision + 1"
    for name in _SHOWN_IN_ITEMS:
        if added.get(name):
            # Lists have the JSON of an item by its version.
            yield (
                f"UPDATE {live}.item SET version = version + 1"
                f" WHERE id IN (SELECT theirs.item_id FROM {staging}.{name} AS theirs)"
            )
    if {"sku", "stock_event"} & added.keys():
        yield from _check_ledger(live, staging)
    if added.get("price"):
        yield from _check_prices(live, staging)
    if added.get("loan") or added.get("loan_return") or added.get("location"):
        yield from _check_loans(live, staging)
    yield from _check_merges(live, staging, {table for table, rows in added.items() if rows})
    if added.get("item_field_value"):
        yield from _check_fields(live, staging)
    if added.get("barcode"):
        yield from _free_shared_keys(live)
    if added.get("location") or added.get("box"):
        yield from _set_paths(live)
    total = sum(added.values())
    return Imported(
        records_imported=total,
        skipped=sum(table.rows for table in staged) - total,
        tables_affected=[table for table, rows in added.items() if rows],
        notes=notes,
    )


def _refuse_privileged(tables: list[Staged], live: str, staging: str, named: list[str]) -> Generator[str, Any, None]:
    rejected: dict[str, int] = {}
    for table in tables:
        if table.name in EXCLUDED_TABLES:
            raise BadRequest(f"Nothing was imported: {table.name} belongs to a running Stocky and is in no backup")
        ((new,),) = yield (
            f"SELECT count(*) FROM {staging}.{table.name} AS theirs"
            f" WHERE NOT EXISTS (SELECT 1 FROM {live}.{table.name} AS ours WHERE {table.same_key})"
        )
        if new:
            rejected[table.name] = new
    if rejected:
        rows = ", ".join(f"{count} new {'row' if count == 1 else 'rows'} of {name}" for name, count in rejected.items())
        raise BadRequest(
            f"Nothing was imported: the dump has {rows}, which may change access rights. If intended, repeat it with"
            f" force=true and tables={','.join([*named, *(name for name in rejected if name not in named)])}"
        )


def _check_limit(live: str, table: str, noun: str, limit: int) -> Generator[str, Any, None]:
    ((count,),) = yield f"SELECT count(*) FROM {live}.{table}"
    if count > limit:
        raise BadRequest(f"Nothing was imported: there would be {count} {noun}; the limit is {limit}")


def _refuse_existing(table: Staged, source: str, target: str) -> Generator[str, Any, None]:
    key = ", ".join(f"theirs.{column}" for column in table.key)
    existing = yield f"SELECT {key} FROM {source} AS theirs JOIN {target} AS ours ON {table.same_key} LIMIT 1"
    if existing:
        key_values = ", ".join(f"{column} {value}" for column, value in zip(table.key, existing[0], strict=True))
        raise BadRequest(
            f"Nothing was imported: {table.name} already has a row with {key_values}."
            " With force=true such rows stay unchanged and the rest is imported"
        )


def _refuse_foreign(table: Staged, source: str, target: str, created_at: str) -> Generator[str, Any, None]:
    other = yield (
        f"SELECT theirs.id FROM {source} AS theirs JOIN {target} AS ours ON {table.same_key}"
        f" WHERE theirs.{created_at} <> ours.{created_at} LIMIT 1"
    )
    if other:
        raise BadRequest(
            f"Nothing was imported: {table.name} {other[0][0]} of the dump is a different one than here. The dump is"
            " from another Stocky, whose ids mean other rows: restore it completely into an empty one, or transfer"
            " items and stock as CSV (/exports there, /imports here)"
        )


def _check_ledger(live: str, staging: str) -> Generator[str, Any, None]:
    """Checks the ledger rules for every SKU that the import touches; each query returns an id that violates one."""
    touched = f"WITH touched AS (SELECT sku_id AS id FROM {staging}.stock_event UNION SELECT id FROM {staging}.sku)"
    rules = {
        "the quantity of SKU {} would not be the sum of its ledger": f"""
            {touched}, sums AS (SELECT sku_id, sum(delta_milli) AS total FROM {live}.stock_event
                                 WHERE sku_id IN (SELECT id FROM touched) GROUP BY sku_id)
            SELECT sku.id FROM {live}.sku AS sku LEFT JOIN sums ON sums.sku_id = sku.id
             WHERE sku.id IN (SELECT id FROM touched) AND sku.quantity_milli <> coalesce(sums.total, 0) LIMIT 1""",
        "event {} would have a wrong quantity after it": f"""
            {touched}, running AS (
                SELECT id, quantity_after_milli,
                       sum(delta_milli) OVER (PARTITION BY sku_id ORDER BY id) AS running_milli
                  FROM {live}.stock_event WHERE sku_id IN (SELECT id FROM touched))
            SELECT id FROM running WHERE quantity_after_milli <> running_milli LIMIT 1""",
        "event {} would name another item or location than its SKU": f"""
            SELECT event.id FROM {live}.stock_event AS event JOIN {live}.sku AS sku ON sku.id = event.sku_id
             WHERE event.id IN (SELECT id FROM {staging}.stock_event)
               AND (sku.item_id <> event.item_id OR sku.location_id <> event.location_id) LIMIT 1""",
        "the two sides of move {} would not add up to zero": f"""
            SELECT transfer_id FROM {live}.stock_event
             WHERE kind = 'move' AND transfer_id IN (SELECT transfer_id FROM {staging}.stock_event)
             GROUP BY transfer_id
            HAVING sum(CAST(delta_milli AS NUMERIC) * coalesce(unit_scale, 1)) <> 0 LIMIT 1""",
        "event {} would not mirror what it undoes": f"""
            SELECT undoing.id FROM {staging}.stock_event AS undoing
              JOIN {live}.stock_event AS undone ON undone.id = undoing.reverses_id
             WHERE undoing.delta_milli <> -undone.delta_milli OR undoing.sku_id <> undone.sku_id LIMIT 1""",
        "the serial number of SKU {} would be in stock at two places": f"""
            SELECT sku.id FROM {live}.sku AS sku JOIN {live}.sku AS other
                ON other.item_id = sku.item_id AND other.serial = sku.serial AND other.id <> sku.id
             WHERE sku.id IN (SELECT id FROM {staging}.sku) AND sku.serial <> ''
               AND sku.quantity_milli <> 0 AND other.quantity_milli <> 0 LIMIT 1""",
    }
    for fault, query in rules.items():
        found = yield query
        if found:
            raise BadRequest(f"Nothing was imported: {fault.format(found[0][0])}")


def _check_prices(live: str, staging: str) -> Generator[str, Any, None]:
    """Checks that imported prices are of the items of their events and SKUs as they are here."""
    found = yield f"""
        SELECT price.id FROM {live}.price AS price
          LEFT JOIN {live}.sku AS sku ON sku.id = price.sku_id
          LEFT JOIN {live}.stock_event AS event ON event.id = price.event_id
         WHERE price.id IN (SELECT id FROM {staging}.price)
           AND (sku.item_id <> price.item_id OR event.item_id <> price.item_id OR event.sku_id <> price.sku_id)
         LIMIT 1"""
    if found:
        raise BadRequest(f"Nothing was imported: price {found[0][0]} would name another item than its event or its SKU")


def _check_loans(live: str, staging: str) -> Generator[str, Any, None]:
    """Checks what is imported by the rules of `stocky check`: loans are of the SKUs of their events, and at persons."""
    imported = f"(SELECT id FROM {staging}.loan)"
    rules = {
        "loan {} would name another SKU than its event": f"""
            SELECT loan.id FROM {live}.loan AS loan JOIN {live}.stock_event AS event ON event.id = loan.event_id
             WHERE loan.id IN {imported} AND event.sku_id <> loan.sku_id LIMIT 1""",
        "the loans of event {} would be more than it brought": f"""
            SELECT event.id FROM {live}.loan AS loan JOIN {live}.stock_event AS event ON event.id = loan.event_id
             WHERE event.id IN (SELECT event_id FROM {staging}.loan)
             GROUP BY event.id, event.delta_milli HAVING sum(loan.quantity_milli) > event.delta_milli LIMIT 1""",
        "event {} would return a loan of another SKU": f"""
            SELECT event.id FROM {live}.loan_return AS returned
              JOIN {live}.stock_event AS event ON event.id = returned.event_id
              JOIN {live}.loan AS loan ON loan.id = returned.loan_id
             WHERE event.id IN (SELECT event_id FROM {staging}.loan_return) AND event.sku_id <> loan.sku_id LIMIT 1""",
        "loan {} would have ended by an event of another SKU": f"""
            SELECT loan.id FROM {live}.loan AS loan JOIN {live}.stock_event AS event ON event.id = loan.ended_by
             WHERE loan.id IN {imported} AND event.sku_id <> loan.sku_id LIMIT 1""",
        "loan {} would be open at a location that is no person": f"""
            SELECT loan.id FROM {live}.loan AS loan JOIN {live}.sku AS sku ON sku.id = loan.sku_id
              JOIN {live}.location AS location ON location.id = sku.location_id
             WHERE loan.id IN {imported} AND loan.ended_by IS NULL AND location.kind <> 'person' LIMIT 1""",
        "location {} would be in a person": f"""
            SELECT child.id FROM {live}.location AS child
              JOIN {live}.location AS parent ON parent.id = child.parent_id
             WHERE child.id IN (SELECT id FROM {staging}.location) AND child.is_active
               AND parent.kind = 'person' LIMIT 1""",
    }
    for fault, query in rules.items():
        found = yield query
        if found:
            raise BadRequest(f"Nothing was imported: {fault.format(found[0][0])}")


def _check_fields(live: str, staging: str) -> Generator[str, Any, None]:
    """Checks that imported values fit the custom fields as they are here, which may be others than in the dump."""
    item_id = field_id = 0
    while True:
        rows = yield f"""
            SELECT theirs.item_id, theirs.field_id, ours.value, ours.value_key,
                   field.name, field.kind, field.choices
              FROM {staging}.item_field_value AS theirs
              JOIN {live}.item_field_value AS ours
                ON ours.item_id = theirs.item_id AND ours.field_id = theirs.field_id
              JOIN {live}.item_field AS field ON field.id = theirs.field_id
             WHERE (theirs.item_id, theirs.field_id) > ({item_id}, {field_id})
             ORDER BY theirs.item_id, theirs.field_id LIMIT {_VALUES}"""
        for item_id, field_id, value, key, name, kind, choices in rows:
            if not is_stored_value(FieldKind(kind), msgspec.json.decode(choices, type=list[str]), value, key):
                raise BadRequest(
                    f"Nothing was imported: the value of item {item_id} does not fit the field {name} (id {field_id})"
                    " as it is here. Change the field, or leave that row out"
                )
        if len(rows) < _VALUES:
            return


def _free_shared_keys(live: str) -> Generator[str, Any, None]:
    """As `free_shared_keys` of sql/catalogue.sql: the barcode that had the key may not be here."""
    yield f"""UPDATE {live}.barcode
         SET code_key = shared_key, shared_key = NULL
       WHERE shared_key IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM {live}.barcode AS other
                          WHERE other.code_key = barcode.shared_key
                             OR (other.shared_key = barcode.shared_key AND other.id < barcode.id))"""


def _set_paths(live: str) -> Generator[str, Any, None]:
    """Sets the paths of all locations, since those that were added may be in others here."""
    yield f"UPDATE {live}.location SET path = NULL, path_key = NULL"
    # Names without a schema are those of the live one.
    yield SET_ALL_PATHS
    found = yield f"SELECT id FROM {live}.location WHERE path IS NULL LIMIT 1"
    if found:
        raise BadRequest(f"Nothing was imported: location {found[0][0]} would be in itself")
    found = yield f"""
        SELECT id FROM {live}.location
         WHERE length(path) > {LONGEST_PATH} OR length(path_key) > {LONGEST_PATH} LIMIT 1"""
    if found:
        raise BadRequest(
            f"Nothing was imported: the path of location {found[0][0]} would have more than {LONGEST_PATH} characters"
        )
    # The statement is that of both dialects.
    yield load_queries(resource("sql"), "sqlite")["free_duplicates"].text
    found = yield f"""
        SELECT child.id, parent.id FROM {live}.location AS child JOIN {live}.location AS parent
            ON parent.id = child.parent_id WHERE child.is_active AND NOT parent.is_active LIMIT 1"""
    if found:
        raise BadRequest(
            f"Nothing was imported: location {found[0][0]} would be in location {found[0][1]}, which is hidden here."
            " Show that one first, or leave that row out"
        )
    found = yield f"""
        SELECT box_no FROM {live}.box AS box
         WHERE NOT EXISTS (SELECT 1 FROM {live}.location AS own
                            WHERE own.box_no = box.box_no AND own.loc_no IS NULL) LIMIT 1"""
    if found:
        raise BadRequest(
            f"Nothing was imported: box {found[0][0]} has no location with its number; import the rows of location, too"
        )


def _check_merges(live: str, staging: str, grown: set[str]) -> Generator[str, Any, None]:
    """Checks that merged items have no rows of their own, also when the dump does not know the merge."""
    for table, rows in _MOVED_BY_MERGE.items():
        if not {table, "item"} & grown:
            continue
        found = yield f"""
            SELECT item.name, item.id, item.merged_into_id FROM {live}.{table} AS own
              JOIN {live}.item AS item ON item.id = own.item_id
             WHERE item.merged_into_id IS NOT NULL AND {rows} LIMIT 1"""
        if found:
            name, item_id, into_id = found[0]
            raise BadRequest(
                f"Nothing was imported: {table} has a row for {name} (item {item_id}), which was merged into item"
                f" {into_id} here. Undo the merge first, or leave that row out"
            )
    if "item" in grown:
        found = yield f"""
            SELECT item.id, target.id FROM {live}.item AS item JOIN {live}.item AS target
                ON target.id = item.merged_into_id WHERE target.merged_into_id IS NOT NULL OR item.is_active LIMIT 1"""
        if found:
            raise BadRequest(
                f"Nothing was imported: item {found[0][0]} would be merged into item {found[0][1]} and still be active,"
                " or that item is merged as well"
            )
    if "item_merge" in grown:
        found = yield f"""
            SELECT source.name, source.id, made.target_id FROM {live}.item_merge AS made
              JOIN {live}.item AS source ON source.id = made.source_id
              JOIN {live}.item AS target ON target.id = made.target_id
             WHERE made.undone_at IS NULL AND made.id IN (SELECT id FROM {staging}.item_merge)
               AND coalesce(source.merged_into_id, 0) <> coalesce(target.merged_into_id, target.id) LIMIT 1"""
        if found:
            name, item_id, into_id = found[0]
            raise BadRequest(
                f"Nothing was imported: item_merge has a row for {name} (item {item_id}), which is not merged into item"
                f" {into_id} here. Leave that row out, and merge the two here if they are the same"
            )

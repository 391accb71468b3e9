"""The dump of a SQLite database: of a private copy that the online backup API makes in one step.

A dump of the live file would be torn, or else keep the file's log from being folded in for as long as it takes.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from stocky.backup.dump.lines import insert_lines
from stocky.backup.dump.objects import stocky_objects
from stocky.backup.dump.tables import has_rows_in_dump, is_index_of_search
from stocky.backup.dump.writing import CONTENTS, Writer
from stocky.backup.workspace import require_space
from stocky.db.migrate import number_of
from stocky.db.sqlite_file import BUSY_TIMEOUT_MS, domain_errors
from stocky.errors import Unavailable

CACHE_KIB = 8_192

# The first belong before the rows and the others after them, so that loading is quick and no trigger runs.
_DEFINITIONS = """
SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
 ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, name
"""


def write_sqlite(writer: Writer, path: Path, scratch: Path) -> None:
    """Everything between header and footer. Raises OutOfSpace, or Unavailable when the database cannot be read."""
    copy = scratch / "copy.db"
    with domain_errors():
        take_copy(path, copy)
        with closing(_opened(copy)) as connection:
            _write(writer, connection)
    copy.unlink()


def take_copy(path: Path, copy: Path) -> None:
    """A copy of the database as it is at this moment. Raises OutOfSpace or Unavailable."""
    # Without mode=rw a database that is not there would be made.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as source:
        # Only the server's writer may run a checkpoint; see sqlite_file.
        for pragma in ("query_only = ON", "wal_autocheckpoint = 0", f"busy_timeout = {BUSY_TIMEOUT_MS}"):
            source.execute(f"PRAGMA {pragma}")
        (size,) = source.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
        require_space(copy.parent, size)
        with closing(_opened(copy)) as target:
            source.backup(target)


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    # Nothing of a copy is worth keeping.
    for pragma in (f"cache_size = -{CACHE_KIB}", "synchronous = OFF", "temp_store = FILE"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _write(writer: Writer, connection: sqlite3.Connection) -> None:
    known = stocky_objects("sqlite")
    definitions = [
        (kind, name, text)
        for kind, name, table, text in connection.execute(_DEFINITIONS).fetchall()
        if (name in known.views or table in known.tables) and not is_index_of_search(name)
    ]
    tables = [name for kind, name, _ in definitions if kind == "table"]
    writer.begin("sqlite", _schema(connection, tables), {table: _count(connection, table) for table in tables})
    if "document" in tables:
        writer.contents = connection.execute(CONTENTS).fetchall()
    writer.write("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n")
    for kind, name, text in definitions:
        if kind == "table":
            writer.write(f"{text};\n")
            if has_rows_in_dump(name):
                for lines in insert_lines(connection, name, "sqlite"):
                    writer.write_rows(name, lines.text, lines.rows)
    for kind, _, text in definitions:
        if kind != "table":
            writer.write(f"{text};\n")
    writer.write("COMMIT;\n")


def _schema(connection: sqlite3.Connection, tables: list[str]) -> int:
    newest = None
    if "_yoyo_migration" in tables:
        (newest,) = connection.execute("SELECT max(migration_id) FROM _yoyo_migration").fetchone()
    if newest is None:
        raise Unavailable("There is no Stocky in this database yet; 'stocky migrate' makes it")
    return number_of(newest)


def _count(connection: sqlite3.Connection, table: str) -> int:
    # The name comes from our own schema.
    count: int = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]  # noqa: S608 - a name of our own schema
    return count

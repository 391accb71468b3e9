"""A SQLite dump has two writers, Python's iterdump and our own SQL: they agree to the byte, or the dump fails."""

from __future__ import annotations

import gzip
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stocky.backup.dump.comparing import EVERY
from stocky.backup.dump.format import read_footer
from stocky.backup.dump.lines import CHUNK, insert_lines, table_digests
from stocky.backup.service import dump_to_file, verify_file
from stocky.config import Config
from stocky.errors import Conflict
from stocky.stock.ledger import LIMIT_MILLI
from tests.backup.by_hand import restore_by_hand
from tests.backup.test_dump import HARD_TEXTS, ignore_progress

pytestmark = pytest.mark.one_database

NOW = "2026-01-31T12:00:00.000001Z"
# Not in key order.
KEYS = ["z", "a\r\nb", "é", "Z", "日本", "", "'", "a"]


def write(config: Config, statement: str, *rows: tuple[object, ...]) -> None:
    """Writes rows directly, without Stocky, CHECK constraints and foreign keys."""
    with closing(sqlite3.connect(config.sqlite_path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.executemany(statement, rows)


def fill(config: Config) -> None:
    write(
        config,
        f"INSERT INTO audit_entry (occurred_at, action, subject) VALUES ('{NOW}', ?, ?)",
        *(
            (text, text)
            for text in [*HARD_TEXTS, "", "\r", "\r\n", "\n", "';", "'\r\n'", "a\r\r\n\n\r", "NULL", "1.5", "1e3"]
        ),
    )
    write(config, f"INSERT INTO event_refusal VALUES (?, 'f', 'policy', 'why', '{NOW}')", *((key,) for key in KEYS))
    write(
        config,
        "INSERT INTO alert (alert_type, message, threshold_milli, is_active, created_at, updated_at)"
        f" VALUES ('x', 'x', ?, ?, '{NOW}', '{NOW}')",
        *((number, True) for number in (None, 0, -1, LIMIT_MILLI, -LIMIT_MILLI)),
    )


async def taken(config: Config, tmp_path: Path) -> Path:
    file = tmp_path / "dump.sql.gz"
    await dump_to_file(config, file, ignore_progress)
    return file


async def test_both_writers_produce_the_same_bytes(config: Config, tmp_path: Path) -> None:
    fill(config)
    text = gzip.decompress((await taken(config, tmp_path)).read_bytes())
    footer = read_footer(text.decode().splitlines()[-1])
    assert footer is not None
    with closing(sqlite3.connect(config.sqlite_path)) as connection:
        assert table_digests(connection, "sqlite") == footer.tables
        for table in footer.tables:
            assert b"".join(lines.text for lines in insert_lines(connection, table, "sqlite")) in text
        theirs = [
            line.replace("\r\n", "'||char(13)||'\n")
            for line in connection.iterdump()
            if any(line.startswith(f'INSERT INTO "{table}" VALUES(') for table in footer.tables)
        ]
    assert len(theirs) == footer.rows
    for line in theirs:
        assert f"{line}\n".encode() in text


async def test_output_of_both_writers_is_loaded_by_sqlite_and_stocky(config: Config, tmp_path: Path) -> None:
    fill(config)
    file = await taken(config, tmp_path)
    restore_by_hand(file, f"sqlite:///{tmp_path / 'new.db'}")
    with closing(sqlite3.connect(tmp_path / "new.db")) as new, closing(sqlite3.connect(config.sqlite_path)) as old:
        for table in table_digests(old, "sqlite"):
            rows = f'SELECT * FROM "{table}" ORDER BY 1, 2'
            assert new.execute(rows).fetchall() == old.execute(rows).fetchall()
    assert (await verify_file(config, file, ignore_progress)).problems == []


async def test_rows_are_in_key_order(config: Config, tmp_path: Path) -> None:
    fill(config)
    text = gzip.decompress((await taken(config, tmp_path)).read_bytes()).decode()
    written = [key.replace("'", "''").replace("\r\n", "'||char(13)||'\n") for key in sorted(KEYS, key=str.encode)]
    positions = [text.index(f"""INSERT INTO "event_refusal" VALUES('{key}','f',""") for key in written]
    assert positions == sorted(positions)


async def test_rows_are_in_key_order_beside_a_covering_index(config: Config, tmp_path: Path) -> None:
    with closing(sqlite3.connect(config.sqlite_path)) as connection:
        columns = [column for (column,) in connection.execute("SELECT name FROM pragma_table_info('audit_entry')")]
        # Without a further column SQLite never prefers such an index to the table.
        connection.execute("ALTER TABLE audit_entry ADD COLUMN foreign_column TEXT")
        columns.sort(key="subject".__ne__)
        connection.execute(f"CREATE INDEX covering ON audit_entry ({', '.join(columns)})")
        before = [id for (id,) in connection.execute("SELECT id FROM audit_entry ORDER BY id")]
    statement = f"INSERT INTO audit_entry (id, occurred_at, action, subject) VALUES (?, '{NOW}', 'x', ?)"
    write(config, statement, (1_002, "a"), (1_001, "b"), (1_000, "c"))
    text = gzip.decompress((await taken(config, tmp_path)).read_bytes()).decode()
    written = re.findall(r'^INSERT INTO "audit_entry" VALUES\((\d+),', text, re.MULTILINE)
    assert [int(id) for id in written] == [*before, 1_000, 1_001, 1_002]


async def test_large_table_is_compared_in_parts(config: Config, tmp_path: Path) -> None:
    large = "x" * (CHUNK // 3)
    statement = f"INSERT INTO audit_entry (id, occurred_at, action, subject, details) VALUES (?, '{NOW}', 'x', 'x', ?)"
    write(config, statement, *((number, large) for number in range(1_000, 1_000 + 5 * EVERY)))
    text = gzip.decompress((await taken(config, tmp_path)).read_bytes()).decode()
    footer = read_footer(text.splitlines()[-1])
    assert footer is not None
    with closing(sqlite3.connect(config.sqlite_path)) as connection:
        assert table_digests(connection, "sqlite") == footer.tables


@pytest.mark.parametrize(
    ("statement", "value", "fault"),
    [
        ("UPDATE item SET description = ?", b"bytes", "the description of item in row 1 is blob"),
        ("UPDATE item SET version = ?", 1.5, "the version of item in row 1 is real"),
        ("UPDATE item SET min_quantity_milli = ?", b"1", "the min_quantity_milli of item in row 1 is blob"),
        ("UPDATE item SET min_quantity_milli = ?", "many", "the min_quantity_milli of item in row 1 is text"),
        ("UPDATE item SET description = CAST(? AS TEXT)", b"\xff\xfe", "item holds text that is not UTF-8"),
    ],
)
async def test_database_that_cannot_be_restored_is_not_backed_up(
    config: Config, tmp_path: Path, statement: str, value: object, fault: str
) -> None:
    write(
        config,
        "INSERT INTO item (id, code, name, default_storage_type, created_at, updated_at)"
        f" VALUES (1, 'AAAA', ?, 'other', '{NOW}', '{NOW}')",
        ("Tea",),
    )
    write(config, statement, (value,))
    with pytest.raises(Conflict, match=f"No backup of this database would restore: {fault}"):
        await taken(config, tmp_path)
    assert not (tmp_path / "dump.sql.gz").exists()

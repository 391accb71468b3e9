"""A start on a current database finds out without yoyo, and leaves every other database to the migrations."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import msgspec

from stocky.config import load
from stocky.db.schema_check import is_current
from tests.cli.running import environment

WITHOUT_YOYO = """
import os, sys
from stocky.config import load
from stocky.db.schema_check import is_current
print(is_current(load(os.environ)), "yoyo" in sys.modules)
"""
OTHERS = [
    "INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('x', '9999.future')",
    "DELETE FROM _yoyo_migration WHERE migration_id LIKE '0002.%'",
    "DELETE FROM migration_checksum WHERE migration_id LIKE '0002.%'",
    "UPDATE migration_checksum SET checksum = 'edited' WHERE migration_id LIKE '0002.%'",
    "DROP TABLE migration_checksum",
    "DROP TABLE _yoyo_migration",
]


def test_only_a_database_with_exactly_these_migrations_is_current(environ: dict[str, str]) -> None:
    config = load(environ)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_YOYO], env=environment(environ), capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{config.dialect == 'sqlite'} False\n"
    if config.dialect != "sqlite":
        return
    path = config.sqlite_path.with_name("other.db")
    other = msgspec.structs.replace(config, database_url=f"sqlite:///{path}")
    assert not is_current(other)
    assert not path.exists()
    for statement in OTHERS:
        shutil.copy(config.sqlite_path, path)
        assert is_current(other)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(statement)
        assert not is_current(other), statement
    path.write_text("not a database, but long enough to be read as one" * 100)
    assert not is_current(other)

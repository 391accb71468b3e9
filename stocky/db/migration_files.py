"""The migration files of a dialect by number; reads names only, without yoyo, whose import is slow in a child."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from stocky.resources import resource


def migration_files(dialect: str, through: int | None = None) -> list[Path]:
    """The files in order of their number, up to the number `through`; without rollbacks."""
    return [file for file in _files(dialect) if through is None or number_of(file.name) <= through]


def schema_version(dialect: str) -> int:
    """The number of the newest migration. At each number both dialects have the same tables."""
    return number_of(_files(dialect)[-1].name)


def number_of(migration_id: str) -> int:
    """The number at the start of a migration's id."""
    return int(migration_id.partition(".")[0])


@cache
def _files(dialect: str) -> list[Path]:
    root = resource("migrations")
    files = [*root.glob("*.sql"), *(root / dialect).glob("*.sql")]
    return sorted((file for file in files if not file.name.endswith(".rollback.sql")), key=lambda file: file.name)

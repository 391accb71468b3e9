"""Distinguishes a first start from a lost database file, so that no empty database replaces a lost one by mistake."""

from __future__ import annotations

from pathlib import Path

from stocky.config import Config
from stocky.errors import Conflict, StockyError, Unavailable
from stocky.secret_key import SECRET_FILE

# The file name endings of stored backups.
_BACKUPS = (".sql.gz", ".zip", ".age", ".db")


def refuse_lost_database(config: Config) -> None:
    """Raises Conflict when there is no SQLite database, but signs that there was one.

    Not with `config.new_database`, and never on Postgres.
    """
    if config.dialect == "sqlite" and not _holds_anything(config.sqlite_path) and (lost := _lost(config)):
        raise lost


def is_missing(config: Config) -> bool:
    """Whether there is no SQLite file, or only an empty one in the place of a lost one; never on Postgres.

    Opening an empty file deletes the write-ahead log beside it.
    """
    if config.dialect != "sqlite":
        return False
    file = config.sqlite_path
    return not file.is_file() or (not _holds_anything(file) and _holds_anything(_log_of(config)))


def refuse_lost_log(config: Config) -> None:
    """Raises Conflict when only the write-ahead log of a SQLite database is there: any new one would destroy it."""
    if is_missing(config) and _holds_anything(log := _log_of(config)):
        name = config.sqlite_path.name
        raise Conflict(
            f"{log} is the write-ahead log of a database that is missing, and a new database in its place would destroy"
            f" it. If the file was moved, move {name}, {log.name} and {name}-shm back together; if it is lost, move"
            f" {log.name} out of this directory first"
        )


def no_database(config: Config) -> StockyError:
    """The error for a missing SQLite file: how to create the first one, or to restore a lost one."""
    return _lost(config) or Unavailable(f"No database at {config.sqlite_path}; create it with 'stocky migrate'")


def _lost(config: Config) -> Conflict | None:
    if not config.new_database and (signs := _signs(config)):
        return Conflict(
            f"There is no database at {config.sqlite_path}, but there is {', '.join(signs)}. If the"
            " file was moved, put it back or name it in STOCKY_DATABASE_URL; if it is lost, restore a backup with"
            " 'stocky restore FILE'. To create a new, empty database, run 'stocky migrate --new-database', or start"
            " once with STOCKY_NEW_DATABASE=true"
        )
    return None


def _signs(config: Config) -> list[str]:
    signs = []
    if (config.data_dir / SECRET_FILE).exists():
        signs.append(f"a secret key in {config.data_dir}")
    if count := _count_backups(config.backup_dir):
        signs.append(f"a backup in {config.backup_dir}" if count == 1 else f"{count} backups in {config.backup_dir}")
    if _holds_anything(log := _log_of(config)):
        signs.append(f"its write-ahead log {log}, which a new database would destroy")
    return signs


def _log_of(config: Config) -> Path:
    return config.sqlite_path.with_name(f"{config.sqlite_path.name}-wal")


def _count_backups(directory: Path) -> int:
    if not directory.is_dir():
        return 0
    return sum(1 for each in directory.iterdir() if each.name.endswith(_BACKUPS) and not each.name.startswith("."))


def _holds_anything(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False

"""Tells a first start from one whose database file was lost: a new, empty database is made only where it is meant."""

from __future__ import annotations

from pathlib import Path

from stocky.config import Config
from stocky.errors import Conflict, StockyError, Unavailable
from stocky.secret_key import SECRET_FILE

# Stored backups by the ends of their names, whoever has put them there.
_BACKUPS = (".sql.gz", ".zip", ".db")


def refuse_lost_database(config: Config) -> None:
    """Raises Conflict when there is no SQLite database but there are signs that there was one.

    Not with `config.new_database`, and never on Postgres.
    """
    if config.dialect == "sqlite" and not _holds_anything(config.sqlite_path) and (lost := _lost(config)):
        raise lost


def no_database(config: Config) -> StockyError:
    """What to say where there is no SQLite file: how to make a first one, or to bring back one that was lost."""
    return _lost(config) or Unavailable(
        f"There is no database at {config.sqlite_path} yet; create it with 'stocky migrate'"
    )


def _lost(config: Config) -> Conflict | None:
    if not config.new_database and (signs := _signs(config)):
        return Conflict(
            f"There is no database at {config.sqlite_path}, but this is there: {', '.join(signs)}. If the"
            " file was moved, put it back or name it in STOCKY_DATABASE_URL; if it is lost, restore a backup with"
            " 'stocky restore FILE'. If a new, empty database is meant, run 'stocky migrate --new-database', or start"
            " once with STOCKY_NEW_DATABASE=true"
        )
    return None


def _signs(config: Config) -> list[str]:
    signs = []
    if (config.data_dir / SECRET_FILE).exists():
        signs.append(f"a secret key in {config.data_dir}")
    if count := _count_backups(config.backup_dir):
        signs.append(f"a backup in {config.backup_dir}" if count == 1 else f"{count} backups in {config.backup_dir}")
    wal = config.sqlite_path.with_name(f"{config.sqlite_path.name}-wal")
    if _holds_anything(wal):
        signs.append(f"its write-ahead log {wal}, which a new database would destroy")
    return signs


def _count_backups(directory: Path) -> int:
    if not directory.is_dir():
        return 0
    return sum(1 for each in directory.iterdir() if each.name.endswith(_BACKUPS) and not each.name.startswith("."))


def _holds_anything(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False

"""`stocky restore`: replaces all data by a checked backup, after backing up the current data; asks first."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stocky.cli.offsite import add_source, ask_passphrase, choose_source, local_file
from stocky.cli.settings import load_settings
from stocky.cli.verify import ACCEPT_EDITED

if TYPE_CHECKING:
    from stocky.backup.requests import TableChanges
    from stocky.backup.schemas import ImportResult
    from stocky.config import Config
    from stocky.progress import ProgressCallback

_SERVED = "A Stocky serves this database; stop it, or restore through its API (POST /api/v1/backup/upload/import/full)"
_CONFIRMATION = "restore"


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "restore",
        help="replace all data by a backup",
        description="Loads a backup, an archive or a Stocky SQLite file into a scratch database and checks it, backs up"
        " the current data, and then replaces it. If anything fails, the data is unchanged.",
    )
    add_source(parser)
    parser.add_argument("--dry-run", action="store_true", help="only check the backup and show what would change")
    parser.add_argument("--force", action="store_true", help="do not ask for confirmation")
    parser.add_argument("--accept-edited", action="store_true", help=ACCEPT_EDITED)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises BadRequest, Conflict, OutOfSpace, Unavailable or OSError."""
    import asyncio

    import msgspec

    from stocky.cli.settings import scratch_space
    from stocky.db.migrate import check_schema
    from stocky.db.serving_lock import serving_lock
    from stocky.new_database import refuse_lost_log

    config = load_settings()
    refuse_lost_log(config)
    source = choose_source(config, arguments)
    if isinstance(source, Path):
        source.stat()
        _refuse_itself(config, source)
    if not (arguments.dry_run or arguments.force or _confirmed(config)):
        return 1
    notes: list[str] = []
    with ExitStack() as stack:
        if arguments.dry_run:
            # Compares with the current data; creates no file in the data directory.
            config = stack.enter_context(scratch_space(config))
            file = stack.enter_context(local_file(config, source, quiet=arguments.json))
            passphrase = ask_passphrase(config, file, arguments.passphrase_file)
            if _has_database(config):
                check_schema(config)
            else:
                notes = [f"There is no data in {_where(config)} yet, so this compares with an empty database."]
                config = stack.enter_context(_empty_database(config))
        else:
            stack.enter_context(serving_lock(config, wait=0, otherwise=_SERVED))
            file = stack.enter_context(local_file(config, source, quiet=arguments.json))
            passphrase = ask_passphrase(config, file, arguments.passphrase_file)
            # On a new machine there is no database; one created for the restore is removed when it fails.
            stack.enter_context(_new_database_removed_on_failure(config))
            notes = _migrate(config, file, passphrase, arguments)
        result = asyncio.run(_restore(config, file, passphrase, arguments))
    result.warnings = [*notes, *result.warnings]
    if arguments.json:
        print(msgspec.json.encode(result).decode())
        return 0
    for warning in result.warnings:
        print(warning)
    width = max(map(len, result.rows), default=0)
    for table, counts in result.rows.items():
        changes = result.changes.get(table)
        if counts.before != counts.after or changes is not None:
            counted = f": {_change_counts(changes)}" if changes is not None else ""
            print(f"{table:<{width}} {counts.before:>10,} -> {counts.after:,} rows{counted}")
        for line in _examples(changes) if changes is not None else []:
            print(f"    {line}")
    print(result.message)
    return 0


def _has_database(config: Config) -> bool:
    """Whether Stocky's tables exist."""
    from stocky.db.migrate import list_migrations

    if config.dialect == "sqlite" and not config.sqlite_path.is_file():
        return False
    return any(state.applied for state in list_migrations(config))


@contextmanager
def _empty_database(config: Config) -> Iterator[Config]:
    """The settings with an empty database, deleted after the block."""
    import tempfile

    import msgspec

    from stocky.db.migrate import migrate

    with tempfile.TemporaryDirectory(prefix="stocky-") as directory:
        url = f"sqlite:///{Path(directory).resolve() / 'empty.db'}"
        config = msgspec.structs.replace(config, database_url=url, database_direct_url=None)
        migrate(config)
        yield config


@contextmanager
def _new_database_removed_on_failure(config: Config) -> Iterator[None]:
    """Removes a new database on failure: an empty one would be mistaken for the lost one; see new_database."""
    new: list[Path] = []
    if config.dialect == "sqlite" and not config.sqlite_path.exists():
        files = [config.sqlite_path.with_name(config.sqlite_path.name + suffix) for suffix in ("", "-wal", "-shm")]
        new = [file for file in files if not file.exists()]
    try:
        yield
    except BaseException:
        for file in new:
            file.unlink(missing_ok=True)
        raise


def _change_counts(changes: TableChanges) -> str:
    counts = {"added": changes.added, "removed": changes.removed, "changed": changes.changed}
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def _examples(changes: TableChanges) -> list[str]:
    """A line for each kind of change; an ellipsis stands for further examples."""
    return [
        f"{what}: {'; '.join(names)}{'; ...' if count > len(names) else ''}"
        for what, count, names in (
            ("added", changes.added, changes.examples_added),
            ("removed", changes.removed, changes.examples_removed),
            ("changed", changes.changed, changes.examples_changed),
        )
        if names
    ]


def _migrate(config: Config, file: Path, passphrase: str | None, arguments: argparse.Namespace) -> list[str]:
    """Migrates the database; returns a note about the backup that was made of it before.

    The data of an older Stocky is changed only if the file can be restored.
    """
    import asyncio

    from stocky.backup.migrating import migrate
    from stocky.cli.progress import ProgressBar

    with ProgressBar(quiet=arguments.json) as bar:
        if _is_older(config):
            asyncio.run(_check(config, file, passphrase, bar, accept_edited=arguments.accept_edited))
        backup = migrate(config, bar).backup
    return [] if backup is None else [f"Before the migration, the data was backed up to {backup.filename}."]


def _is_older(config: Config) -> bool:
    """Whether an older Stocky made the database."""
    from stocky.db.migrate import list_migrations

    return _has_database(config) and not all(state.applied for state in list_migrations(config))


async def _check(
    config: Config, file: Path, passphrase: str | None, report: ProgressCallback, *, accept_edited: bool
) -> None:
    from stocky.backup.restore import Restores
    from stocky.backup.service import Backups
    from stocky.db import make_database

    restores = Restores(config, make_database(config), Backups(config))
    await restores.check(file, report, accept_edited=accept_edited, passphrase=passphrase)


async def _restore(config: Config, file: Path, passphrase: str | None, arguments: argparse.Namespace) -> ImportResult:
    from stocky.backup.restore import Restores
    from stocky.backup.service import Backups
    from stocky.cli.progress import ProgressBar
    from stocky.db import make_database

    database = make_database(config)
    await database.open()
    try:
        with ProgressBar(quiet=arguments.json) as bar:
            restores = Restores(config, database, Backups(config))
            return await restores.replace(
                file,
                bar,
                dry_run=arguments.dry_run,
                accept_edited=arguments.accept_edited,
                passphrase=passphrase,
            )
    finally:
        await database.close()


def _refuse_itself(config: Config, file: Path) -> None:
    """Raises BadRequest when the file is the database that would be replaced."""
    from stocky.errors import BadRequest

    if config.dialect == "sqlite" and config.sqlite_path.exists() and file.samefile(config.sqlite_path):
        raise BadRequest(f"{file} is the database that would be replaced; name a copy of it, or a backup")


def _where(config: Config) -> str:
    return str(config.sqlite_path) if config.dialect == "sqlite" else "the Postgres database"


def _confirmed(config: Config) -> bool:
    where = _where(config)
    if not sys.stdin.isatty():
        print(
            f"stocky: This replaces all data in {where}; there is no terminal to confirm it, so use --force"
            " (or --dry-run to see what would change)",
            file=sys.stderr,
        )
        return False
    print(f"This replaces all data in {where}. The current data is backed up first.", file=sys.stderr)
    if input(f"Type the word {_CONFIRMATION} to continue: ").strip() == _CONFIRMATION:
        return True
    print("Nothing was changed.", file=sys.stderr)
    return False

"""`stocky backup`: makes a backup, also while the service runs, in the backup directory or a given file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stocky.backup.encryption.format import SUFFIX
from stocky.cli.settings import load_settings

if TYPE_CHECKING:
    from stocky.backup.requests import DumpResult
    from stocky.config import Config


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "backup",
        help="back up the database, also while the service runs",
        description="Makes a backup of the current data. Without -o it is saved with the stored backups, which the API"
        " lists.",
    )
    parser.add_argument(
        "--kind",
        choices=["sql", "archive"],
        help="the database only, or everything (default: everything for a FILE.zip, else the database)",
    )
    parser.add_argument(
        "--incremental",
        action="store_true",
        help="store only the events since the last such backup, and all other tables whole; the first one is whole",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE; - is standard output")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises SchemaNotCurrent, OutOfSpace or Unavailable."""
    import asyncio

    from stocky.cli.settings import scratch_space
    from stocky.db.migrate import list_migrations

    name = (arguments.output or "").lower()
    is_zip = name.removesuffix(SUFFIX).endswith(".zip")
    if arguments.kind is None:
        arguments.kind = "archive" if is_zip else "sql"
    elif arguments.output not in (None, "-") and is_zip != (arguments.kind == "archive"):
        # With the other suffix it could be neither verified nor restored.
        arguments.parser.error("an archive must be named FILE.zip, a database dump must not; choose another name")
    if arguments.incremental and (arguments.kind != "sql" or arguments.output is not None):
        arguments.parser.error("--incremental makes a stored backup of the database: leave out --kind archive and -o")
    if arguments.output == "-":
        if arguments.kind == "archive":
            arguments.parser.error("an archive cannot be written to standard output: use -o FILE")
        if sys.stdout.isatty():
            arguments.parser.error("the backup cannot be written to a terminal: use a pipe, or -o FILE")
    config = load_settings()
    if arguments.output not in (None, "-"):
        _check_suffix(arguments, is_encrypted=config.encryption is not None and config.encryption.method is not None)
    # An older schema can be backed up before it is migrated; a database without migrations cannot.
    list_migrations(config)
    if arguments.output is None:
        return asyncio.run(_back_up(config, arguments))
    with scratch_space(config) as config:
        return asyncio.run(_back_up(config, arguments))


def _check_suffix(arguments: argparse.Namespace, *, is_encrypted: bool) -> None:
    """Refuses a name that says something else about the encryption than the settings."""
    if is_encrypted and not arguments.output.lower().endswith(SUFFIX):
        arguments.parser.error(f"backups are encrypted, so name it FILE{SUFFIX}, as in {arguments.output}{SUFFIX}")
    if not is_encrypted and arguments.output.lower().endswith(SUFFIX):
        arguments.parser.error(
            f"FILE{SUFFIX} is the name of an encrypted backup, and neither STOCKY_BACKUP_PASSPHRASE nor"
            " STOCKY_BACKUP_RECIPIENTS is set"
        )


async def _back_up(config: Config, arguments: argparse.Namespace) -> int:
    import msgspec

    from stocky.backup.chains import parents_of
    from stocky.backup.service import Backups
    from stocky.backup.store import Kind, Reason
    from stocky.cli.progress import ProgressBar
    from stocky.errors import Unavailable

    backups = Backups(config)
    if arguments.output == "-":
        async for chunk in await backups.stream(_print_warnings):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return 0
    settings = await _settings(config)
    continued: list[str] = []
    with ProgressBar(quiet=arguments.json) as bar:
        if arguments.output is None:
            made = await backups.create(
                Kind(arguments.kind),
                Reason.COMMAND_LINE,
                bar,
                settings=settings,
                incremental=arguments.incremental,
            )
            path, size, sha256, rows = backups.store.path(made), made.size_bytes, made.sha256, made.rows or {}
            warnings = made.warnings
            continued = [each.filename for each in parents_of(made, await backups.list_backups())]
        else:
            path = Path(arguments.output)
            if path.is_dir() or not path.absolute().parent.is_dir():
                raise Unavailable(f"{path} cannot be written: name a file in an existing directory")
            written = await backups.write(Kind(arguments.kind), path, bar, settings=settings)
            size, sha256, rows, warnings = written.bytes, written.sha256, written.header.rows, written.warnings
    for warning in warnings:
        print(f"stocky: {warning}", file=sys.stderr)
    if arguments.json:
        result = {"file": str(path), "size_bytes": size, "sha256": sha256, "rows": rows, "warnings": warnings}
        print(msgspec.json.encode(result | {"continues": continued}).decode())
    else:
        print(f"{path}: {sum(rows.values()):,} rows, {size:,} bytes. Test it with: stocky verify {path}")
        if continued:
            print(f"It is an increment. A restore also needs: {', '.join(continued)}")
    return 0


def _print_warnings(made: DumpResult) -> None:
    for warning in made.warnings:
        print(f"stocky: {warning}", file=sys.stderr)


async def _settings(config: Config) -> Any:
    from stocky.db import make_database
    from stocky.errors import StockyError
    from stocky.settings.repository import get_settings
    from stocky.settings.schemas import Settings

    database = make_database(config)
    await database.open()
    try:
        async with database.read() as read:
            return await get_settings(read)
    except (StockyError, OSError):
        raise
    except Exception:  # noqa: BLE001 - an older schema may have no settings, and is backed up anyway
        return Settings()
    finally:
        await database.close()

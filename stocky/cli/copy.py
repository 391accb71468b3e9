"""`stocky copy`: copies all data into another, empty database, between SQLite and Postgres, and compares every row."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stocky.backup.copy import Copied


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "copy",
        help="move to another database: SQLite to Postgres, or back",
        description="Copies a snapshot of a database, also while it is served, into an empty one, and compares every"
        " row of both. To switch databases, stop Stocky before you copy: later changes are not in the copy. URLs have"
        " the format of STOCKY_DATABASE_URL.",
    )
    parser.add_argument("source", metavar="SOURCE_URL", help="as in sqlite:////srv/stocky/stocky.db")
    parser.add_argument("target", metavar="TARGET_URL", help="as in postgresql://stocky@db.example.org/stocky")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises Conflict for a target that holds data, ConfigError, OutOfSpace or Unavailable."""
    import asyncio
    import os
    import sys

    import msgspec

    from stocky.backup.copy import copy
    from stocky.cli.progress import ProgressBar
    from stocky.cli.settings import load_settings, scratch_space
    from stocky.config import ConfigError, load
    from stocky.database_address import parse
    from stocky.db.unreachable import Unreachable
    from stocky.errors import Conflict, StockyError, Unavailable

    # The URLs are complete: database settings in the environment do not apply to them.
    given = {
        name: value for name, value in os.environ.items() if not name.startswith(("STOCKY_DATABASE_", "DATABASE_"))
    }
    configs = []
    for name, url, read in (("SOURCE_URL", arguments.source, load_settings), ("TARGET_URL", arguments.target, load)):
        try:
            configs.append(read(given | {"STOCKY_DATABASE_URL": url}))
        except ConfigError as error:
            raise ConfigError([problem.replace("STOCKY_DATABASE_URL", name) for problem in error.problems]) from error
    source, target = configs
    if source.dialect == "sqlite" and not source.sqlite_path.is_file():
        raise Unavailable(f"There is no database at {source.sqlite_path}, which SOURCE_URL names")
    try:
        with scratch_space(source) as source, ProgressBar(quiet=arguments.json) as bar:
            target = msgspec.structs.replace(target, backup_dir=source.backup_dir)
            copied = asyncio.run(copy(source, target, bar))
    except Unreachable as error:
        is_source = source.dialect == "postgres" and parse(source.database_url) == error.address
        raise Unavailable(error.described("SOURCE_URL" if is_source else "TARGET_URL")) from error
    except StockyError as error:
        # Only the target can raise Conflict; the source is only read.
        named = "TARGET_URL" if isinstance(error, Conflict) else "SOURCE_URL or TARGET_URL"
        error.detail = error.detail.replace("STOCKY_DATABASE_URL", named)
        raise
    if arguments.json:
        print(msgspec.json.encode(copied).decode())
    else:
        width = max(map(len, copied.tables))
        for table, digest in copied.tables.items():
            print(f"{table:<{width}} {digest.rows:>10,} rows  {digest.sha256}")
        print("The copy has the same rows as the source.")
    for warning in copied.warnings:
        print(f"stocky: {warning}", file=sys.stderr)
    if copied.missed or copied.is_served:
        print(
            f"stocky: {_missed_events(copied)}. Stop Stocky, empty the target and copy again to switch.",
            file=sys.stderr,
        )
    elif not arguments.json:
        print("Set STOCKY_DATABASE_URL to the new database and start Stocky.")
    return 0


def _missed_events(copied: Copied) -> str:
    if copied.missed:
        return f"{copied.missed:,} events were recorded in the source meanwhile and are not in the copy"
    return "A Stocky serves the source; later changes are not in the copy"

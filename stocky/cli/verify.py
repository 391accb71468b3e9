"""`stocky verify`: test-restores a backup into a scratch database; the data is not touched."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from stocky.cli.offsite import add_source, ask_passphrase, choose_source, local_file
from stocky.cli.settings import load_settings

ACCEPT_EDITED = "accept a backup that was edited on purpose: skip only the checksum check"


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "verify",
        help="test-restore a backup",
        description="Restores a backup or an archive into a scratch database, compares every row with the backed-up"
        " data, and deletes that database. Exits 0 only when no problem is found.",
    )
    add_source(parser)
    parser.add_argument("--accept-edited", action="store_true", help=ACCEPT_EDITED)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises OSError, Locked, OutOfSpace or Unavailable."""
    import asyncio

    import msgspec

    from stocky.backup.service import verify_file
    from stocky.cli.progress import ProgressBar
    from stocky.cli.settings import scratch_space

    config = load_settings()
    source = choose_source(config, arguments)
    if isinstance(source, Path):
        source.stat()
    with (
        scratch_space(config) as config,
        local_file(config, source, quiet=arguments.json) as file,
    ):
        passphrase = ask_passphrase(config, file, arguments.passphrase_file)
        with ProgressBar(quiet=arguments.json) as bar:
            found = asyncio.run(
                verify_file(config, file, bar, accept_edited=arguments.accept_edited, passphrase=passphrase)
            )
    if arguments.json:
        print(msgspec.json.encode({"ok": not found.problems, **msgspec.to_builtins(found)}).decode())
    else:
        for line in [*found.warnings, *found.problems]:
            print(line)
        if not found.problems:
            rows = f"{sum(found.rows.values()):,} rows{_documents(found.documents_count)}"
            compared = ", each as it was backed up" if found.is_as_made else "; it has no checksum for them"
            print(f"{source} restores: {rows}{compared}")
    return 1 if found.problems else 0


def _documents(count: int) -> str:
    return f" and {count:,} document{'s' * (count != 1)}" if count else ""

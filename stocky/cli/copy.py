"""`stocky copy`: everything from one database into another, empty one; the same on SQLite and Postgres, row by row."""

from __future__ import annotations

import argparse
from typing import Any


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "copy",
        help="move to another database: SQLite to Postgres, or back",
        description="Copies one moment of a database, also while it is served, into an empty one, and compares"
        " every row of both. Addresses are like those of STOCKY_DATABASE_URL.",
    )
    parser.add_argument("source", metavar="SOURCE_URL", help="as in sqlite:////srv/stocky/stocky.db")
    parser.add_argument("target", metavar="TARGET_URL", help="as in postgresql://stocky@db.example.org/stocky")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises Conflict for a target that holds data, ConfigError, OutOfSpace or Unavailable."""
    import asyncio
    import os

    import msgspec

    from stocky.backup.copying import copy
    from stocky.cli.progress import ProgressBar
    from stocky.config import load

    given = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL_FILE")}
    source = load(given | {"STOCKY_DATABASE_URL": arguments.source})
    target = load(given | {"STOCKY_DATABASE_URL": arguments.target})
    with ProgressBar(quiet=arguments.json) as bar:
        proofs = asyncio.run(copy(source, target, bar))
    if arguments.json:
        print(msgspec.json.encode({"tables": proofs}).decode())
        return 0
    for table, proof in proofs.items():
        print(f"{table:<16} {proof.rows:>10,} rows  {proof.sha256}")
    print("Both databases hold the same, row by row. Set STOCKY_DATABASE_URL to the new one and start Stocky.")
    return 0

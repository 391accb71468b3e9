"""`stocky reindex`: makes the search's index anew from the items; also while Stocky serves."""

from __future__ import annotations

import argparse
from typing import Any

from stocky.cli.settings import load_settings


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "reindex",
        help="make the search's index anew",
        description="Empties the index of the search and fills it from the items. Needed only when 'stocky check' says"
        " so: every change of an item takes itself into the index.",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises SchemaNotCurrent or Unavailable."""
    import asyncio

    from stocky.db.migrate import check_schema
    from stocky.search.index import reindex

    del arguments
    config = load_settings()
    check_schema(config)
    print(f"The search has {asyncio.run(reindex(config))}.")
    return 0

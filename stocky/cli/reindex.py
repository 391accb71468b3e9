"""`stocky reindex`: rebuilds the search index from the items; works while Stocky serves."""

from __future__ import annotations

import argparse
from typing import Any

from stocky.cli.settings import load_settings


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "reindex",
        help="rebuild the search index",
        description="Empties the search index and fills it from the items. Needed only when 'stocky check' reports it:"
        " every change of an item updates the index.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit status. Raises SchemaNotCurrent or Unavailable."""
    import asyncio

    import msgspec

    from stocky.db.migrate import check_schema
    from stocky.search.index import reindex

    config = load_settings()
    check_schema(config)
    state = asyncio.run(reindex(config))
    print(msgspec.json.encode({"search": state}).decode() if arguments.json else f"The search has {state}.")
    return 0

"""`stocky check`: whether everything in the database agrees; silent when it does, and changes nothing."""

from __future__ import annotations

import argparse
from typing import Any

from stocky.cli.settings import load_settings


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "check",
        help="prove that the database is whole and the ledger's sums are right",
        description="Checks integrity, references, the ledger, the document store and the search's index. Says nothing"
        " and exits 0 when all is well; lists what is not and exits 1.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, also when all is well")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises SchemaNotCurrent or Unavailable."""
    import asyncio

    import msgspec

    from stocky.db.migrate import check_schema
    from stocky.documents.proof import find_missing
    from stocky.search.proof import find_index_faults
    from stocky.stock.proof import find_faults

    config = load_settings()
    check_schema(config)
    faults = asyncio.run(find_faults(config))
    if not any(fault.check == "integrity" for fault in faults):
        faults += asyncio.run(find_missing(config))
        faults += asyncio.run(find_index_faults(config))
    if arguments.json:
        print(msgspec.json.encode({"ok": not faults, "faults": faults}).decode())
    else:
        for fault in faults:
            print(f"{fault.check}: {fault.message}")
    return 1 if faults else 0

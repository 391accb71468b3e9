"""`stocky check`: whether everything in the database agrees; one line when it does, and changes nothing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from stocky.cli.settings import load_settings

if TYPE_CHECKING:
    from stocky.config import Config


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "check",
        help="prove that the database is whole and the ledger's sums are right",
        description="Checks integrity, references, the ledger, the document store and the search's index. Says in one"
        " line what was checked and exits 0 when all is well; lists what is not and exits 1.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, also when all is well")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises SchemaNotCurrent or Unavailable."""
    import asyncio

    import msgspec

    from stocky.db.migrate import check_schema
    from stocky.documents.consistency import find_missing
    from stocky.search.consistency import find_index_faults
    from stocky.stock.consistency import find_faults

    config = load_settings()
    check_schema(config)
    faults = asyncio.run(find_faults(config))
    if not any(fault.check == "integrity" for fault in faults):
        faults += asyncio.run(find_missing(config))
        faults += asyncio.run(find_index_faults(config))
    if arguments.json:
        print(msgspec.json.encode({"ok": not faults, "faults": faults}).decode())
    elif faults:
        for fault in faults:
            print(f"{fault.check}: {fault.message}")
    else:
        rows = asyncio.run(_count_rows(config))
        print(f"No faults in {len(rows)} tables with {sum(rows.values()):,} rows, {rows['stock_event']:,} stock events")
    return 1 if faults else 0


async def _count_rows(config: Config) -> dict[str, int]:
    from stocky.backup.repository import count_rows
    from stocky.db import make_database

    database = make_database(config)
    await database.open()
    try:
        async with database.read() as read:
            return await count_rows(read)
    finally:
        await database.close()

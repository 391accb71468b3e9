"""`stocky check`: checks the consistency of the database and the document store; changes nothing."""

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
        help="check the integrity of the database and the sums of the ledger",
        description="Checks integrity, references, the ledger, the document store and the search index. Prints one"
        " line and exits 0 when there are no faults; lists the faults and exits 1 otherwise.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, also without faults")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit status. Raises SchemaNotCurrent or Unavailable."""
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

"""`stocky check`: checks the consistency of the database and the document store; changes nothing."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from stocky.cli.settings import load_settings

if TYPE_CHECKING:
    from stocky.config import Config
    from stocky.db import Connection


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "check",
        help="check the integrity of the database and the sums of the ledger",
        description="Checks integrity, references, locations, the ledger, the document store and the search index."
        " Prints one line and exits 0 when there are no faults, with a note for each two locations of the same path;"
        " lists the faults and exits 1 otherwise.",
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
    if faults:
        if arguments.json:
            print(msgspec.json.encode({"ok": False, "faults": faults}).decode())
        else:
            for fault in faults:
                print(f"{fault.check}: {fault.message}")
        return 1
    notes = asyncio.run(_list_notes(config))
    rows = asyncio.run(_count_rows(config))
    counts = {"tables": len(rows), "rows": sum(rows.values()), "stock_events": rows["stock_event"]}
    if arguments.json:
        found = {"ok": True, "faults": [], **counts} | ({"notes": notes} if notes else {})
        print(msgspec.json.encode(found).decode())
    else:
        print(
            f"All is well: no faults in {counts['tables']} tables with {counts['rows']:,} rows,"
            f" {counts['stock_events']:,} stock events"
        )
        for note in notes:
            print(f"note: {note}")
    return 0


async def _count_rows(config: Config) -> dict[str, int]:
    from stocky.backup.repository import count_rows

    async with _reading(config) as read:
        return await count_rows(read)


async def _list_notes(config: Config) -> list[str]:
    """What an administrator may want to change, although nothing is wrong with it."""
    from stocky.catalogue.location_repository import list_duplicates

    async with _reading(config) as read:
        return [
            f"the locations {each.id} and {each.same_id} have the path {each.path!r}; rename one of them"
            for each in await list_duplicates(read)
        ]


@asynccontextmanager
async def _reading(config: Config) -> AsyncIterator[Connection]:
    from stocky.db import make_database

    database = make_database(config)
    await database.open()
    try:
        async with database.read() as read:
            yield read
    finally:
        await database.close()

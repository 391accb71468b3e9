"""`stocky demo-data`: fills a database that holds no items with demo data."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stocky.cli.settings import load_settings

if TYPE_CHECKING:
    from stocky.config import Config
    from stocky.demo_data import Demo

_ITEMS, _EVENTS = 320, 4_000


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "demo-data",
        help="fill an empty database with a kitchen and an electronics bench",
        description="Adds items, locations, scanners and four weeks of events, and an admin if there is none, whose"
        " password it prints once. A database that holds items is not changed.",
    )
    parser.add_argument("--items", type=_at_most(100_000), default=_ITEMS, metavar="N", help=f"how many ({_ITEMS})")
    parser.add_argument(
        "--events", type=_at_most(1_000_000), default=_EVENTS, metavar="N", help=f"how many ({_EVENTS:,})"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the generated month (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit status. Raises SchemaNotCurrent, Unavailable, or BadRequest when the name admin is taken."""
    import asyncio

    from stocky.db.migrate import check_schema

    config = load_settings()
    check_schema(config)
    return asyncio.run(_fill(config, arguments))


async def _fill(config: Config, arguments: argparse.Namespace) -> int:
    from stocky.db import make_database
    from stocky.demo_data import fill, holds_items

    database = make_database(config)
    await database.open()
    try:
        if await holds_items(database):
            print("{}" if arguments.json else "The database already holds items; no demo data was added.")
            return 0
        await fill(
            database,
            items=arguments.items,
            events=arguments.events,
            seed=arguments.seed,
            introduce=_print_json if arguments.json else _print,
            progress=_progress(arguments.events),
        )
    finally:
        await database.close()
    return 0


def _print(demo: Demo) -> None:
    print(f"Demo data: {demo.items:,} items at {demo.locations} locations, {demo.events:,} events in {demo.days} days.")
    if demo.password is not None:
        print(f"  admin         {demo.admin}")
        print(f"  password      {demo.password}")
    print(f"  scanner key   {demo.scanner_key}")
    print("Store them: they are not shown again.", flush=True)


def _print_json(demo: Demo) -> None:
    import msgspec

    print(msgspec.json.encode(demo).decode(), flush=True)


def _progress(events: int) -> Callable[[int], None]:
    """Shows progress on a terminal; prints nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda recorded: None

    def show(recorded: int) -> None:
        end = "\n" if recorded == events else ""
        print(f"\r{recorded:,} of {events:,} events", end=end, file=sys.stderr, flush=True)

    return show


def _at_most(most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most:,}")

    return number

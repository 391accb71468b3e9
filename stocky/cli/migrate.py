"""`stocky migrate`: brings the database to this version's schema, or says how it stands; never both."""

from __future__ import annotations

import argparse
from typing import Any


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "migrate",
        help="bring the database to the schema of this version",
        description="Applies the migrations that are pending. With an option: looks at them, or takes one back.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="change nothing; exit 1 unless the schema is current")
    what.add_argument("--list", action="store_true", help="change nothing; show every migration and its state")
    what.add_argument("--rollback", metavar="ID", help="take back this migration and all after it, newest first")
    parser.add_argument("--force", action="store_true", help="with --rollback: also when tables with rows would go")
    parser.add_argument(
        "--new-database",
        action="store_true",
        help="make an empty database although there are signs of one that was lost (STOCKY_NEW_DATABASE)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises SchemaNotCurrent, Conflict or Unavailable."""
    import msgspec

    from stocky.config import load
    from stocky.db import migrate
    from stocky.errors import NotFound
    from stocky.new_database import refuse_lost_database

    if arguments.force and not arguments.rollback:
        arguments.parser.error("--force goes with --rollback")
    config = load()
    told: Any
    if arguments.check:
        migrate.check_schema(config)
        told, lines = {"current": True}, ["The schema is current"]
    elif arguments.list:
        states = migrate.list_migrations(config)
        told, lines = states, [_line(state) for state in states]
    elif arguments.rollback:
        try:
            ids = migrate.rollback(config, arguments.rollback, force=arguments.force)
        except ValueError as error:
            raise NotFound(str(error)) from error
        told, lines = {"rolled_back": ids}, [f"rolled back {id}" for id in ids]
    else:
        if not arguments.new_database:
            refuse_lost_database(config)
        ids = migrate.migrate(config)
        told, lines = {"applied": ids}, [f"applied {id}" for id in ids] or ["The schema is current"]
    print(msgspec.json.encode(told).decode() if arguments.json else "\n".join(lines))
    return 0


def _line(state: Any) -> str:
    if not state.applied:
        return f"pending                      {state.id}"
    edited = " (its file was edited since)" if state.edited else ""
    return f"applied {state.applied_at:%Y-%m-%d %H:%M:%SZ} {state.id}{edited}"

"""`stocky migrate`: brings the database to this version's schema, shows its migrations, or repairs their records."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from stocky.cli.settings import load_settings

if TYPE_CHECKING:
    from stocky.backup.migrating import Migrated
    from stocky.config import Config
    from stocky.db.migration_repair import Repair

_CURRENT = "The schema is current"


_SERVED = "A Stocky serves this database; stop it before you take a migration back"


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "migrate",
        help="bring the database to the schema of this version",
        description="Applies the migrations that are pending. With an option: shows them, takes some back, or repairs"
        " their records. Before a database that holds rows is changed, it is backed up and the backup is restored on"
        " trial; all migrations are applied together, or none.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="change nothing; exit 1 unless the schema is current")
    what.add_argument("--list", action="store_true", help="change nothing; show every migration and its state")
    what.add_argument("--rollback", metavar="ID", help="take back this migration and all after it, newest first")
    what.add_argument(
        "--repair",
        action="store_true",
        help="make the records of the migrations agree with the tables, after an older Stocky was killed in between",
    )
    parser.add_argument("--no-backup", action="store_true", help="make no backup before the change")
    parser.add_argument("--force", action="store_true", help="with --rollback: also when tables with rows would go")
    parser.add_argument(
        "--new-database",
        action="store_true",
        help="make an empty database although there are signs of one that was lost (STOCKY_NEW_DATABASE)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises SchemaNotCurrent, Conflict, OutOfSpace or Unavailable."""
    import msgspec

    from stocky.db import migrate
    from stocky.new_database import refuse_lost_database

    if arguments.force and not arguments.rollback:
        arguments.parser.error("--force goes with --rollback")
    if arguments.no_backup and (arguments.check or arguments.list or arguments.repair):
        arguments.parser.error("--no-backup goes with a change of the schema")
    config = load_settings()
    told: Any
    if arguments.check:
        migrate.check_schema(config)
        told, lines = {"current": True}, [_CURRENT]
    elif arguments.list:
        states = migrate.list_migrations(config)
        told, lines = states, [_line(state) for state in states]
    elif arguments.repair:
        told = migrate.repair(config)
        lines = _repaired(told)
    else:
        if not arguments.new_database:
            refuse_lost_database(config)
        key, done, nothing = (
            ("rolled_back", "rolled back", "") if arguments.rollback else ("applied", "applied", _CURRENT)
        )
        changed = _change(config, arguments)
        backup = changed.backup.filename if changed.backup else None
        told = {key: changed.ids, "backup": backup}
        lines = [f"backed up to {backup}, and restored it on trial"] if backup else []
        lines += [f"{done} {id}" for id in changed.ids] or [nothing]
    print(msgspec.json.encode(told).decode() if arguments.json else "\n".join(lines))
    return 0


def _change(config: Config, arguments: argparse.Namespace) -> Migrated:
    from stocky.backup import migrating
    from stocky.cli.progress import ProgressBar
    from stocky.db import migrate
    from stocky.db.serving_lock import not_served
    from stocky.errors import NotFound

    with ProgressBar(quiet=arguments.json) as bar:
        if not arguments.rollback:
            return (
                migrating.Migrated(migrate.migrate(config)) if arguments.no_backup else migrating.migrate(config, bar)
            )
        with not_served(config, otherwise=_SERVED):
            try:
                if arguments.no_backup:
                    return migrating.Migrated(migrate.rollback(config, arguments.rollback, force=arguments.force))
                return migrating.rollback(config, arguments.rollback, bar, force=arguments.force)
            except ValueError as error:
                raise NotFound(str(error)) from error


def _repaired(repair: Repair) -> list[str]:
    lines = [f"marked as applied {id}" for id in repair.marked]
    lines += [f"marked as not applied {id}" for id in repair.unmarked]
    lines += [f"kept the checksum of {id}" for id in repair.checksums]
    if not lines:
        return ["Nothing needed repair: the records agree with the tables"]
    return [*lines, "Run 'stocky migrate' now"]


def _line(state: Any) -> str:
    if not state.applied:
        return f"pending                      {state.id}"
    edited = " (its file was edited since)" if state.edited else ""
    return f"applied {state.applied_at:%Y-%m-%d %H:%M:%SZ} {state.id}{edited}"

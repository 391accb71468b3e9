"""`stocky migrate`: migrates the database to this version's schema, lists migrations, or repairs their records."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from stocky.cli.settings import load_settings

if TYPE_CHECKING:
    from stocky.backup.migrating import Migrated
    from stocky.config import Config
    from stocky.db.migration_repair import Repair

_CURRENT = "The schema is current"
_SERVED = "A Stocky serves this database; stop it before you roll back a migration"


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "migrate",
        help="migrate the database to the schema of this version",
        description="Applies pending migrations, all of them or none. With an option: lists them, rolls some back, or"
        " repairs their records. A database that holds rows is backed up before the change, and the backup is"
        " test-restored.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only check; exit 1 unless the schema is current")
    what.add_argument("--list", action="store_true", help="only list every migration with its state")
    what.add_argument("--rollback", metavar="ID", help="roll back this migration and all later ones, newest first")
    what.add_argument(
        "--repair",
        action="store_true",
        help="correct the migration records to match the tables, after an older Stocky was killed during a migration",
    )
    parser.add_argument("--no-backup", action="store_true", help="skip the backup before the change")
    parser.add_argument("--force", action="store_true", help="with --rollback: also drop tables with rows")
    parser.add_argument(
        "--new-database",
        action="store_true",
        help="create an empty database even if there are signs of a lost one (STOCKY_NEW_DATABASE)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit status. Raises SchemaNotCurrent, Conflict, OutOfSpace or Unavailable."""
    import msgspec

    from stocky.db import migrate
    from stocky.new_database import refuse_lost_database

    if arguments.force and not arguments.rollback:
        arguments.parser.error("--force is only allowed with --rollback")
    if arguments.no_backup and (arguments.check or arguments.list or arguments.repair):
        arguments.parser.error("--no-backup is not allowed with --check, --list or --repair")
    config = load_settings()
    result: Any
    if arguments.check:
        migrate.check_schema(config)
        result, lines = {"current": True}, [_CURRENT]
    elif arguments.list:
        states = migrate.list_migrations(config)
        result, lines = states, [_line(state) for state in states]
    elif arguments.repair:
        result = migrate.repair(config)
        lines = _repaired(result)
    else:
        if not arguments.new_database:
            refuse_lost_database(config)
        key, done, nothing = (
            ("rolled_back", "rolled back", "") if arguments.rollback else ("applied", "applied", _CURRENT)
        )
        changed = _change(config, arguments)
        backup = changed.backup.filename if changed.backup else None
        result = {key: changed.ids, "backup": backup}
        lines = [f"backed up to {backup}, and test-restored it"] if backup else []
        lines += [f"{done} {id}" for id in changed.ids] or [nothing]
    print(msgspec.json.encode(result).decode() if arguments.json else "\n".join(lines))
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
    lines += [f"stored the checksum of {id}" for id in repair.checksums]
    if not lines:
        return ["Nothing to repair: the records match the tables"]
    return [*lines, "Run 'stocky migrate' now"]


def _line(state: Any) -> str:
    if not state.applied:
        return f"pending                      {state.id}"
    edited = " (its file was edited since)" if state.edited else ""
    return f"applied {state.applied_at:%Y-%m-%d %H:%M:%SZ} {state.id}{edited}"

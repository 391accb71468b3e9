"""Migrates a database. One that holds rows is first backed up, and the backup is test-restored row by row."""

from __future__ import annotations

import asyncio

import msgspec

from stocky.backup.service import Backups
from stocky.backup.store import Kind, Reason, StoredBackup
from stocky.config import Config
from stocky.db import migrate as migrations
from stocky.errors import StockyError, Unavailable
from stocky.progress import ProgressCallback
from stocky.worker.workspace import sweep

# Bounds the backups of a start that fails repeatedly: each attempt makes one.
MAX_BACKUPS = 7
_WITHOUT = "'stocky migrate --no-backup' migrates without one"


class Migrated(msgspec.Struct):
    """The ids of the migrations that were applied or rolled back, and the backup made before."""

    ids: list[str]
    backup: StoredBackup | None = None


def migrate(config: Config, report: ProgressCallback) -> Migrated:
    """Applies pending migrations. Raises what `stocky.db.migrate.migrate` does, Unavailable when the backup failed."""
    first = _FirstBackup(config, report)
    return Migrated(migrations.migrate(config, before_change=first.make), first.made)


def rollback(config: Config, migration_id: str, report: ProgressCallback, *, force: bool) -> Migrated:
    """Rolls back a migration and all after it. Raises what `stocky.db.migrate.rollback` does, and Unavailable."""
    first = _FirstBackup(config, report)
    return Migrated(migrations.rollback(config, migration_id, force=force, before_change=first.make), first.made)


class _FirstBackup:
    """Makes the backup before the first change; `made` is None until then."""

    def __init__(self, config: Config, report: ProgressCallback) -> None:
        self._config = config
        self._report = report
        self.made: StoredBackup | None = None

    def make(self) -> None:
        """Raises Unavailable when the backup cannot be made or does not restore."""
        # Removes what a killed run left; otherwise only a server does that.
        sweep(self._config.backup_dir)
        try:
            self.made = asyncio.run(self._make())
        except StockyError as error:
            raise Unavailable(
                f"The backup before the migration failed, and nothing was changed: {error.detail}. {_WITHOUT}"
            ) from error

    async def _make(self) -> StoredBackup:
        backups = Backups(self._config)
        made = await backups.create(Kind.SQL, Reason.BEFORE_MIGRATION, self._report)
        # Also before the test, which may fail or be killed: each attempt of a start that is repeated adds one.
        await asyncio.to_thread(backups.store.keep_last, MAX_BACKUPS, (Reason.BEFORE_MIGRATION,))
        made = await backups.verify(made.id, self._report)
        await asyncio.to_thread(backups.store.keep_last, MAX_BACKUPS, (Reason.BEFORE_MIGRATION,))
        if not made.is_good:
            await backups.remove_backup(made.id)
            raise Unavailable(f"it does not restore: {'; '.join(made.problems)}")
        return made

"""Asks an admin for the passphrase of the backups again a month after it was last typed, by an alert.

A lost passphrase is noticed while the server still has it; when it was confirmed is in a file among the stored backups.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from stocky import clock
from stocky.alerts import repository as alerts
from stocky.alerts.schemas import ServiceAlert
from stocky.backup.dump.making import open_owner_only
from stocky.backup.encryption.format import Method
from stocky.backup.schemas import BackupEncryption
from stocky.config import Config
from stocky.db import Database
from stocky.disk import disk_errors, sync_directory
from stocky.errors import BadRequest, Conflict, OutOfSpace, Unavailable
from stocky.jobs.schedule import Schedule
from stocky.worker.workspace import scratch_directory

# A name that the store does not list.
STATE_FILE = ".passphrase.json"
CONFIRMED_FOR = timedelta(days=30)
LOOK_SECONDS = 600
WRONG = (
    "This is not the passphrase that backups are encrypted with. If it is lost, read it from STOCKY_BACKUP_PASSPHRASE"
    " on the server, or set a new one there, restart, and make a new backup: only the old one opens older backups"
)
DUE = (
    "Type the passphrase of the backups on the page Backups, to show that it is not lost: without it, no backup can be"
    " restored on a new machine"
)

_log = logging.getLogger(__name__)


class _Confirmed(msgspec.Struct, frozen=True):
    confirmed_at: datetime


class PassphraseConfirmation:
    """The confirmation of one installation's passphrase."""

    def __init__(self, config: Config, database: Database) -> None:
        self._keys = config.encryption
        self._directory = config.backup_dir
        self._database = database
        # What the last look found; an alert that a person resolved is not raised again for it.
        self._was_due = False

    @property
    def method(self) -> Method | None:
        """How new backups are encrypted; None where they are not."""
        return None if self._keys is None else self._keys.method

    def register_tasks(self, schedule: Schedule) -> None:
        """Registers the check with the schedule."""
        schedule.every("passphrase of backups", LOOK_SECONDS, self.look)

    async def get_state(self) -> BackupEncryption:
        """The state; a passphrase that was never confirmed was typed when it was set, so its month begins now."""
        if self.method != "passphrase":
            return BackupEncryption(method=self.method)
        confirmed_at = await asyncio.to_thread(_read, self._directory)
        now = clock.now()
        if confirmed_at is None:
            confirmed_at = now
            # A page can be shown while the directory cannot be written.
            with suppress(OutOfSpace, Unavailable):
                await self._note()
        # A date in the future, by a wrong clock, must not put it off.
        due_at = confirmed_at + CONFIRMED_FOR if confirmed_at <= now + clock.SKEW else now
        return BackupEncryption(
            method="passphrase", confirmed_at=confirmed_at, due_at=due_at, is_due=due_at <= clock.now()
        )

    async def confirm(self, passphrase: str) -> BackupEncryption:
        """Notes that the passphrase is known, and resolves the alert.

        Raises BadRequest for another one, Conflict when backups are not encrypted with one, OutOfSpace, Unavailable.
        """
        if self._keys is None or self.method != "passphrase":
            raise Conflict("Backups are not encrypted with a passphrase; set STOCKY_BACKUP_PASSPHRASE to do so")
        if not hmac.compare_digest(passphrase.strip().encode(), self._keys.passphrase.encode()):
            raise BadRequest(WRONG, field="passphrase")
        await self._note()
        await self.look()
        return await self.get_state()

    async def look(self) -> None:
        """Raises the alert while the passphrase is to be confirmed; resolves it when it is, or is no longer used."""
        is_due, was_due = (await self.get_state()).is_due, self._was_due
        async with self._database.read() as read:
            active = await alerts.list_alerts(
                read, skip=0, limit=1, active_only=True, alert_type=ServiceAlert.PASSPHRASE_UNCONFIRMED
            )
        if is_due and not active and not was_due:
            async with self._database.transaction() as tx:
                await alerts.raise_service_alert(tx, ServiceAlert.PASSPHRASE_UNCONFIRMED, DUE)
            _log.warning("%s", DUE)
        elif active and not is_due:
            async with self._database.transaction() as tx:
                await alerts.resolve_service_alerts(tx, ServiceAlert.PASSPHRASE_UNCONFIRMED)
        self._was_due = is_due

    async def _note(self) -> None:
        await asyncio.to_thread(_write, self._directory, clock.now())


def _read(directory: Path) -> datetime | None:
    with suppress(OSError, msgspec.DecodeError, msgspec.ValidationError):
        found = msgspec.json.decode((directory / STATE_FILE).read_bytes(), type=_Confirmed).confirmed_at
        return found if found.tzinfo is not None else None
    return None


def _write(directory: Path, confirmed_at: datetime) -> None:
    with disk_errors(), scratch_directory(directory) as scratch:
        made = scratch / STATE_FILE
        with open(made, "wb", opener=open_owner_only) as file:
            file.write(msgspec.json.encode(_Confirmed(confirmed_at)))
            file.flush()
            os.fsync(file.fileno())
        made.replace(directory / STATE_FILE)
    sync_directory(directory)

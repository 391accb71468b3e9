"""Asks an admin for the passphrase of the backups again a month after it was last typed, by an alert.

A lost passphrase is noticed while the server still has it; when which one was confirmed is in a file among the stored
backups. Only where that file was never written is the passphrase taken for just typed.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from stocky import clock
from stocky.alerts import repository as alerts
from stocky.alerts.schemas import ServiceAlert
from stocky.auth.schemas import Principal
from stocky.auth.throttle import Throttle
from stocky.backup.dump.making import open_owner_only
from stocky.backup.encryption.format import Method
from stocky.backup.schemas import BackupEncryption
from stocky.config import Config
from stocky.damaged_json import DAMAGED_JSON
from stocky.db import Database
from stocky.disk import disk_errors, sync_directory
from stocky.errors import BadRequest, Conflict, OutOfSpace, Unavailable
from stocky.jobs.schedule import Schedule
from stocky.logs import audit
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


class Confirmed(msgspec.Struct, frozen=True):
    """What the file holds: when the passphrase of this fingerprint was confirmed."""

    confirmed_at: datetime
    fingerprint: str


class PassphraseConfirmation:
    """The confirmation of one installation's passphrase."""

    def __init__(self, config: Config, database: Database) -> None:
        self._keys = config.encryption
        self._directory = config.backup_dir
        self._database = database
        self._fingerprint = "" if self._keys is None else fingerprint(config.secret_key, self._keys.passphrase)
        self._throttle = Throttle("wrong passphrases")
        self._looking = asyncio.Lock()
        # What the last look found; an alert that a person resolved is not raised again for it.
        self._was_due = False
        # The restored data may have no alert.
        database.gate.on_data_replaced(self._look_again)

    @property
    def method(self) -> Method | None:
        """How new backups are encrypted; None where they are not."""
        return None if self._keys is None else self._keys.method

    def register_tasks(self, schedule: Schedule) -> None:
        """Registers the check with the schedule."""
        schedule.every("passphrase of backups", LOOK_SECONDS, self.look)

    async def get_state(self) -> BackupEncryption:
        """The state; the first passphrase was typed when it was set, so its month begins now.

        It is due at once where another one was confirmed, or where the file cannot be read or written.
        """
        if self.method != "passphrase":
            return BackupEncryption(method=self.method)
        now = clock.now()
        try:
            confirmed_at = await asyncio.to_thread(_read, self._directory, self._fingerprint)
        except FileNotFoundError:
            try:
                confirmed_at = await self._note()
            except (OutOfSpace, Unavailable):
                # A page can be shown while the directory cannot be written.
                confirmed_at = None
        if confirmed_at is None:
            return BackupEncryption(method="passphrase", due_at=now, is_due=True)
        # A date in the future, by a wrong clock, must not put it off.
        due_at = confirmed_at + CONFIRMED_FOR if confirmed_at <= now + clock.SKEW else now
        return BackupEncryption(
            method="passphrase", confirmed_at=confirmed_at, due_at=due_at, is_due=due_at <= clock.now()
        )

    async def confirm(self, passphrase: str, by: Principal, address: str) -> BackupEncryption:
        """Notes that the passphrase is known, and resolves the alert; the audit has every attempt.

        Raises BadRequest for another one, Throttled after too many, Conflict when backups are not encrypted with one,
        OutOfSpace, Unavailable.
        """
        if self._keys is None or self.method != "passphrase":
            raise Conflict("Backups are not encrypted with a passphrase; set STOCKY_BACKUP_PASSPHRASE to do so")
        async with self._throttle.attempt(by.user.username, address) as attempt:
            is_right = hmac.compare_digest(passphrase.strip().encode(), self._keys.passphrase.encode())
            if is_right:
                await self._note()
            async with self._database.transaction() as tx:
                if is_right:
                    await audit.record(tx, by, "confirmed", "backup_passphrase", None, {})
                else:
                    await audit.record(tx, by, "failed to confirm", "backup_passphrase", None, {})
            if not is_right:
                raise BadRequest(WRONG, field="passphrase")
            attempt.succeeded()
        await self.look()
        return await self.get_state()

    async def look(self) -> None:
        """Raises the alert while the passphrase is to be confirmed; resolves it when it is, or is no longer used."""
        # One at a time: two on Postgres would each raise an alert.
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        is_due = (await self.get_state()).is_due
        async with self._database.read() as read:
            active = await alerts.list_alerts(
                read, skip=0, limit=1, active_only=True, alert_type=ServiceAlert.PASSPHRASE_UNCONFIRMED
            )
        if is_due and not active and not self._was_due:
            async with self._database.transaction() as tx:
                await alerts.raise_service_alert(tx, ServiceAlert.PASSPHRASE_UNCONFIRMED, DUE)
            _log.warning("%s", DUE)
        elif active and not is_due:
            async with self._database.transaction() as tx:
                await alerts.resolve_service_alerts(tx, ServiceAlert.PASSPHRASE_UNCONFIRMED)
        self._was_due = is_due

    async def _note(self) -> datetime:
        now = clock.now()
        await asyncio.to_thread(_write, self._directory, Confirmed(now, self._fingerprint))
        return now

    def _look_again(self) -> None:
        self._was_due = False


def fingerprint(secret_key: str, passphrase: str) -> str:
    """Tells a changed passphrase; without the secret key of the server nobody can try passphrases on it."""
    return hmac.digest(secret_key.encode(), b"passphrase of backups\n" + passphrase.encode(), "sha256").hex()


def _read(directory: Path, expected: str) -> datetime | None:
    """When this passphrase was confirmed; None where another one was, or the file cannot be read.

    Raises FileNotFoundError where there is none.
    """
    try:
        found = msgspec.json.decode((directory / STATE_FILE).read_bytes(), type=Confirmed)
    except FileNotFoundError:
        raise
    except (OSError, *DAMAGED_JSON) as error:
        _log.warning("%s cannot be read (%s); the passphrase of the backups is asked for", STATE_FILE, error)
        return None
    is_known = hmac.compare_digest(found.fingerprint.encode(), expected.encode())
    return found.confirmed_at if is_known and found.confirmed_at.tzinfo is not None else None


def _write(directory: Path, confirmed: Confirmed) -> None:
    with disk_errors(), scratch_directory(directory) as scratch:
        made = scratch / STATE_FILE
        with open(made, "wb", opener=open_owner_only) as file:
            file.write(msgspec.json.encode(confirmed))
            file.flush()
            os.fsync(file.fileno())
        made.replace(directory / STATE_FILE)
    sync_directory(directory)

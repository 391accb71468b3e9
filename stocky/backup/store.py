"""The stored backups: files in the backup directory, each with what is known of it in a JSON file beside it.

The directory is the truth: a backup that someone copies into it is listed, and a restore forgets none.
Everything here reads or writes the disk; the event loop leaves it to a thread.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

import msgspec

from stocky import clock
from stocky.backup import found
from stocky.backup.dump.making import open_owner_only
from stocky.disk import move_new, sync_directory
from stocky.errors import NotFound, Unavailable
from stocky.worker.workspace import disk_errors, scratch_directory

ID_FORMAT = "%Y-%m-%d-%H-%M-%S"
_SQL_FORMAT = "stocky_backup_%Y%m%d_%H%M%S.sql.gz"
_ARCHIVE_FORMAT = "stocky-backup-%Y-%m-%d-%H-%M-%S.zip"
_FILE = re.compile(r"stocky_backup_\d{8}_\d{6}\.sql\.gz|stocky-backup-\d{4}(?:-\d{2}){5}\.zip")
# An empty file that says that a process is making the backup of this id.
_PROMISE = ".promised-"
# A promise whose process was killed is forgotten after that.
_PROMISE_LASTS = timedelta(days=1)
# Names are moments in seconds: of several backups made in one second the later ones take the next free names.
_NAMES_TRIED = 1000


class Kind(str, Enum):
    """A dump of the database alone, or an archive with everything."""

    SQL = "sql"
    ARCHIVE = "archive"

    @property
    def file_name(self) -> str:
        """The name of its files, for `strftime`."""
        return _SQL_FORMAT if self is Kind.SQL else _ARCHIVE_FORMAT


class Reason(str, Enum):
    """Why a backup was made; what happens to it later depends on it."""

    API = "api"
    MANUAL = "manual"
    SCHEDULED = "scheduled"
    BEFORE_RESTORE = "before_restore"
    BEFORE_MIGRATION = "before_migration"
    COMMAND_LINE = "command_line"
    FOUND = "found"


# What is made without being asked for, and kept by number.
COUNTED = (Reason.SCHEDULED, Reason.BEFORE_RESTORE, Reason.BEFORE_MIGRATION)
# How long what was made by hand is kept, so that nobody has to tidy up after a download.
KEPT = {Reason.API: timedelta(hours=24), Reason.MANUAL: timedelta(hours=1)}


class StoredBackup(msgspec.Struct, kw_only=True):
    """What is known of a stored backup. None is not known, as for a file copied here by hand.

    `id` is its moment, or made of its name where that is none of Stocky's own.
    """

    id: str
    kind: Kind
    filename: str
    size_bytes: int
    created_at: datetime
    reason: Reason = Reason.FOUND
    expires_at: datetime | None = None
    sha256: str | None = None
    app_version: str | None = None
    schema_version: int | None = None
    dialect: str | None = None
    rows: dict[str, int] | None = None
    documents_count: int = 0
    # What was seen to be missing or damaged in it while it was made.
    warnings: list[str] = []
    verified_at: datetime | None = None
    # What the last verification found wrong; empty for a good backup and for one that was never verified.
    problems: list[str] = []

    @property
    def is_good(self) -> bool:
        return self.verified_at is not None and not self.problems


class Store:
    """The backups of one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._just_made: dict[Reason, str] = {}

    def promise_id(self) -> str:
        """The id of a backup that is about to be made, so that its address can be told before it is there.

        No other process on this directory gets the same one before `release_id`. Raises Unavailable, OutOfSpace.
        """
        moment = clock.now().replace(microsecond=0)
        try:
            with disk_errors():
                self.directory.mkdir(parents=True, exist_ok=True)
                while self._is_taken(moment) or not self._reserve(moment):
                    moment += timedelta(seconds=1)
        except OSError as error:
            raise Unavailable(
                f"{self.directory} cannot be written ({error.strerror}); check STOCKY_BACKUP_DIR and its owner",
                retry_after=60,
            ) from error
        return moment.strftime(ID_FORMAT)

    def release_id(self, id: str) -> None:
        """The backup of a promised id is stored, or is not made."""
        with suppress(OSError):
            self._promise(_moment(id)).unlink()

    def list_backups(self) -> list[StoredBackup]:
        """Every backup, newest first; what is dated in the future, by a clock that was wrong, counts as the oldest."""
        if not self.directory.is_dir():
            return []
        known = [found for file in self.directory.iterdir() if (found := self._known(file)) is not None]
        latest = clock.now() + clock.SKEW
        return sorted(known, key=lambda each: (each.created_at <= latest, each.created_at, each.id), reverse=True)

    def get_backup(self, id: str) -> StoredBackup:
        """Raises NotFound, also for anything that is no id at all."""
        if found.ID.fullmatch(id) and self.directory.is_dir():
            for file in self.directory.iterdir():
                if found.id_of(file.name) == id and (backup := self._known(file)) and backup.id == id:
                    return backup
        with suppress(ValueError):
            moment = _moment(id)
            for kind in Kind:
                if (backup := self._known(self.directory / moment.strftime(kind.file_name))) and backup.id == id:
                    return backup
        raise NotFound(f"There is no backup {id!r}; GET /api/v1/system/backup/list shows those there are")

    def path(self, backup: StoredBackup) -> Path:
        """Where its file lies."""
        return self.directory / backup.filename

    def add_backup(self, file: Path, backup: StoredBackup) -> StoredBackup:
        """Puts a finished file in its place and returns the backup with the id and name it got: its own id if it can.

        `file` lies in the same file system and is gone afterwards; no other backup is ever replaced. Raises OutOfSpace
        or Unavailable.
        """
        own = moment = _moment(backup.id)
        for _ in range(_NAMES_TRIED):
            name = moment.strftime(backup.kind.file_name)
            if not self._is_taken(moment) and (moment == own or not self._promise(moment).exists()):
                with suppress(FileExistsError), disk_errors():
                    move_new(file, self.directory / name)
                    break
            moment += timedelta(seconds=1)
        else:
            raise FileExistsError(f"{self.directory} holds too many backups of this minute")
        placed = msgspec.structs.replace(backup, id=moment.strftime(ID_FORMAT), filename=name)
        self.note(placed)
        self._just_made[placed.reason] = placed.id
        return placed

    def note(self, backup: StoredBackup) -> None:
        """Writes down what is known of a backup, whole or not at all. Raises OutOfSpace or Unavailable."""
        target = self._notes(self.path(backup))
        with disk_errors(), scratch_directory(self.directory) as place:
            made = place / target.name
            with open(made, "wb", opener=open_owner_only) as file:
                file.write(msgspec.json.format(msgspec.json.encode(backup)))
                file.flush()
                os.fsync(file.fileno())
            made.replace(target)
        sync_directory(self.directory)

    def remove_backup(self, id: str) -> StoredBackup:
        """Deletes its file and its notes. Raises NotFound or Unavailable."""
        backup = self.get_backup(id)
        with disk_errors():
            self.path(backup).unlink(missing_ok=True)
            self._notes(self.path(backup)).unlink(missing_ok=True)
        return backup

    def remove_expired(self) -> list[StoredBackup]:
        """Deletes what has expired, and notes whose backup someone has taken away; returns the first."""
        now = clock.now()
        for backup in self.list_backups():
            kept = KEPT.get(backup.reason)
            if kept is not None and backup.expires_at is not None and backup.expires_at > now + kept + clock.SKEW:
                # Made while the clock was ahead: its time to be kept begins now.
                self.note(msgspec.structs.replace(backup, expires_at=now + kept))
        expired = [each for each in self.list_backups() if each.expires_at is not None and each.expires_at <= now]
        for backup in expired:
            self.remove_backup(backup.id)
        if self.directory.is_dir():
            for notes in self.directory.glob("*.json"):
                backed = notes.with_suffix("")
                if not backed.exists() and (_FILE.fullmatch(backed.name) or self._noted(backed) is not None):
                    notes.unlink(missing_ok=True)
            for promise in self.directory.glob(f"{_PROMISE}*"):
                with suppress(OSError):
                    if now.timestamp() - promise.stat().st_mtime > _PROMISE_LASTS.total_seconds():
                        promise.unlink()
        return expired

    def keep_last(self, count: int, reasons: Iterable[Reason] = COUNTED) -> list[StoredBackup]:
        """Deletes the oldest backups made for each of these reasons but `count` of them; returns the deleted ones.

        The newest one that was verified stays, however old it is, and the one just made, whatever the clock says.
        """
        removed = []
        for reason in reasons:
            backups = [each for each in self.list_backups() if each.reason is reason]
            good = next((each.id for each in backups if each.is_good), None)
            kept = (good, self._just_made.get(reason))
            removed += [each for each in backups[count:] if each.id not in kept]
        for backup in removed:
            self.remove_backup(backup.id)
        return removed

    def _promise(self, moment: datetime) -> Path:
        return self.directory / moment.strftime(_PROMISE + ID_FORMAT)

    def _reserve(self, moment: datetime) -> bool:
        """Whether this moment is promised to nobody else."""
        try:
            os.close(os.open(self._promise(moment), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True

    def _is_taken(self, moment: datetime) -> bool:
        return any((self.directory / moment.strftime(kind.file_name)).exists() for kind in Kind)

    def _known(self, file: Path) -> StoredBackup | None:
        """What is known of a backup file, which a name of others does not tell; None when there is none."""
        own = _named_for(file.name) if _FILE.fullmatch(file.name) else None
        suffix = file.suffix if own is not None else found.suffix_of(file)
        try:
            status = file.stat()
        except FileNotFoundError:
            return None
        if suffix is None:
            return None
        id = own.strftime(ID_FORMAT) if own is not None else found.id_of(file.name)
        noted = self._noted(file)
        # Only what was noted of this very file counts; the file may have been copied over it.
        if noted is not None and noted.size_bytes == status.st_size and (own is not None or noted.id == id):
            return noted
        return StoredBackup(
            id=id,
            kind=Kind.ARCHIVE if suffix == ".zip" else Kind.SQL,
            filename=file.name,
            size_bytes=status.st_size,
            created_at=own if own is not None else datetime.fromtimestamp(status.st_mtime, UTC),
        )

    def _noted(self, file: Path) -> StoredBackup | None:
        """What was noted of a file of this name."""
        with suppress(OSError, msgspec.DecodeError, msgspec.ValidationError):
            noted = msgspec.json.decode(self._notes(file).read_bytes(), type=StoredBackup)
            if noted.filename == file.name:
                return noted
        return None

    def _notes(self, file: Path) -> Path:
        return file.with_name(f"{file.name}.json")


def _named_for(filename: str) -> datetime | None:
    """The moment in a name of Stocky's own; None for digits in the right places that are no moment."""
    kind = Kind.ARCHIVE if filename.endswith(".zip") else Kind.SQL
    try:
        return datetime.strptime(filename, kind.file_name).replace(tzinfo=UTC)
    except ValueError:
        return None


def _moment(id: str) -> datetime:
    return datetime.strptime(id, ID_FORMAT).replace(tzinfo=UTC)

"""The stored backups: files in the backup directory, each with its metadata in a JSON file beside it.

The directory is authoritative: a backup copied into it is listed, and a restore loses none. One under a foreign name
is recognised by its first bytes and addressed by an id; links and subdirectories are never followed.
All functions block on disk access; the event loop runs them in a thread.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec

from stocky import clock
from stocky.backup.chains import with_chain_problems, without_needed
from stocky.backup.dump.format import TITLE
from stocky.backup.dump.ledger import LedgerMark
from stocky.backup.dump.making import open_owner_only
from stocky.backup.encryption.format import SUFFIX, Method, method_of, method_of_file
from stocky.backup.reservations import Reservations
from stocky.damaged_json import DAMAGED_JSON
from stocky.disk import disk_errors, locked_directory, move_new, sync_directory
from stocky.errors import NotFound, Unavailable
from stocky.worker.workspace import scratch_directory

ID_FORMAT = "%Y-%m-%d-%H-%M-%S"
_SQL_FORMAT = "stocky_backup_%Y%m%d_%H%M%S.sql.gz"
_ARCHIVE_FORMAT = "stocky-backup-%Y-%m-%d-%H-%M-%S.zip"
_FILE = re.compile(r"(?:stocky_backup_\d{8}_\d{6}\.sql\.gz|stocky-backup-\d{4}(?:-\d{2}){5}\.zip)(?:\.age)?")
# Names have a resolution of one second; later backups of the same second take the next free names.
_NAMES_TRIED = 1000

# Uploads are listed whatever they contain: only loading one finds its errors.
_UPLOADED_FORMAT = "uploaded-%Y%m%d-%H%M%S-"
_UPLOADED = re.compile(r"uploaded-\d{8}-\d{6}-.+(?<!\.json)")
_NOT_IN_NAMES = re.compile(r"[^\w.()-]+", re.ASCII)
_LONGEST_NAME = 100

_FOUND_ID = re.compile(r"found-[0-9a-f]{16}")
_BEGINNING = 64
_ZIP_START, _GZIP_START, _BOM = b"PK\x03\x04", b"\x1f\x8b", b"\xef\xbb\xbf"


class Kind(str, Enum):
    """A dump of the database only, or an archive of everything."""

    SQL = "sql"
    ARCHIVE = "archive"

    @property
    def file_name(self) -> str:
        """The `strftime` format of its file names."""
        return _SQL_FORMAT if self is Kind.SQL else _ARCHIVE_FORMAT


class Reason(str, Enum):
    """Why a backup was made; this decides its retention."""

    API = "api"
    MANUAL = "manual"
    SCHEDULED = "scheduled"
    BEFORE_RESTORE = "before_restore"
    BEFORE_MIGRATION = "before_migration"
    COMMAND_LINE = "command_line"
    FOUND = "found"
    UPLOADED = "uploaded"
    FETCHED = "fetched"


# Automatic backups, of which a number is retained.
COUNTED = (Reason.SCHEDULED, Reason.BEFORE_RESTORE, Reason.BEFORE_MIGRATION)


# How long manual backups are retained, so that nobody has to clean up after a download.
RETENTION = {
    Reason.API: timedelta(hours=24),
    Reason.MANUAL: timedelta(hours=1),
    Reason.UPLOADED: timedelta(hours=24),
    Reason.FETCHED: timedelta(hours=24),
}
# A manual backup that is fetched again has that of a fetched one from then on.
_LONGEST_RETENTION = max(RETENTION.values())


# Metadata with a time without zone is not Stocky's, and such a time cannot be compared.
_Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class OffsiteCopy(msgspec.Struct, frozen=True, kw_only=True):
    """The copy of a backup at one off-site destination; `copied_at` is when it was read back and found equal.

    `tested_at` is the `verified_at` in the metadata beside the copy. `error` is why the last attempt, at `tried_at`,
    failed, when the cause is this backup and not its destination.
    """

    copied_at: _Aware | None = None
    tested_at: _Aware | None = None
    tried_at: _Aware | None = None
    error: str | None = None


class StoredBackup(msgspec.Struct, kw_only=True):
    """The metadata of a stored backup. None means unknown, as for a file copied here by hand.

    `id` is its time, or derived from its name when that is not one of Stocky's.
    """

    id: str
    kind: Kind
    filename: str
    size_bytes: int
    created_at: _Aware
    reason: Reason = Reason.FOUND
    expires_at: _Aware | None = None
    sha256: str | None = None
    app_version: str | None = None
    schema_version: int | None = None
    dialect: str | None = None
    rows: dict[str, int] | None = None
    documents_count: int = 0
    # How the file is encrypted; None where it is not.
    encryption: Method | None = None
    # For which recipients it is encrypted, if for any.
    recipients_sha256: str | None = None
    # Missing or damaged content found while it was made.
    warnings: list[str] = []
    verified_at: _Aware | None = None
    # Problems found by the last verification; empty for a good or never verified backup.
    problems: list[str] = []
    # By the address of the destination.
    offsite: dict[str, OffsiteCopy] = {}
    # Of an increment: the SHA-256 and the size of the file that it continues, and the SHA-256 of the base of its chain.
    parent_sha256: str | None = None
    parent_size_bytes: int | None = None
    base_sha256: str | None = None
    # Where its ledger ends, if an increment can continue it.
    mark: LedgerMark | None = None

    def with_problem(self, problem: str) -> StoredBackup:
        """The same with one more problem."""
        return msgspec.structs.replace(self, problems=[*self.problems, problem])

    @property
    def damage(self) -> str:
        """The problem of a backup whose file is not the one that was made."""
        return f"{self.filename} is damaged: its SHA-256 is not the one it was made with"

    @property
    def is_good(self) -> bool:
        return self.verified_at is not None and not self.problems


# The ids of the backups that must not be deleted yet, of all stored ones.
Holds = Callable[[list[StoredBackup]], frozenset[str]]


def _holds_none(backups: list[StoredBackup]) -> frozenset[str]:
    """The default: every backup may be deleted when its time has come."""
    return frozenset()


class Store:
    """The backups in one directory."""

    def __init__(self, directory: Path, holds: Holds = _holds_none) -> None:
        """Retention and expiry spare what `holds` returns; a user may delete it."""
        self.directory = directory
        self.reservations = Reservations(directory)
        self._holds = holds
        self._just_made: dict[Reason, str] = {}
        # Held while metadata is read to be changed, and while backups are deleted, with that of the directory.
        self._lock = threading.RLock()
        self._tested: Counter[str] = Counter()
        # The SHA-256 of files that were copied in by hand, by what changes with their content.
        self._hashed: dict[tuple[str, int, int, int], str] = {}

    def reserve_id(self) -> str:
        """Reserves the id of a backup, so that its URL is known before it is made.

        No other process on this directory gets the same id before `release_id`. Raises Unavailable, OutOfSpace.
        """
        moment = clock.now().replace(microsecond=0)
        try:
            with disk_errors():
                self.directory.mkdir(parents=True, exist_ok=True)
                while self._is_taken(moment) or not self.reservations.take(moment.strftime(ID_FORMAT)):
                    moment += timedelta(seconds=1)
        except OSError as error:
            raise Unavailable(
                f"{self.directory} cannot be written ({error.strerror}); check STOCKY_BACKUP_DIR and its owner",
                retry_after=60,
            ) from error
        return moment.strftime(ID_FORMAT)

    def release_id(self, id: str) -> None:
        """Releases a reserved id: its backup is stored or will not be made."""
        self.reservations.release(id)

    def list_backups(self) -> list[StoredBackup]:
        """All backups, newest first; those dated in the future, by a wrong clock, come last.

        An increment whose chain is incomplete or does not restore has that as a problem.
        """
        if not self.directory.is_dir():
            return []
        backups = (found for file in self.directory.iterdir() if (found := self._find(file)) is not None)
        return with_chain_problems(self._with_possible_parents(newest_first(backups)))

    def get_backup(self, id: str) -> StoredBackup:
        """Raises NotFound, also for an invalid id."""
        if _FOUND_ID.fullmatch(id) and self.directory.is_dir():
            for file in self.directory.iterdir():
                if found_id(file.name) == id and (backup := self._find(file)) and backup.id == id:
                    return backup
        with suppress(ValueError):
            moment = _moment(id)
            for name in _own_names(moment):
                if (backup := self._find(self.directory / name)) and backup.id == id:
                    return backup
        raise NotFound(f"There is no backup {id!r}; GET /api/v1/system/backup/list lists all backups")

    def path(self, backup: StoredBackup) -> Path:
        """The path of its file."""
        return self.directory / backup.filename

    def add_backup(self, file: Path, backup: StoredBackup) -> StoredBackup:
        """Moves a finished file into the store; returns the backup with its final id and name.

        `file` must be on the same file system; an existing backup is never replaced. Raises OutOfSpace or Unavailable.
        """
        own = moment = _moment(backup.id)
        for _ in range(_NAMES_TRIED):
            name = own_name(backup.kind, moment, backup.encryption)
            if not self._is_taken(moment) and (moment == own or not self.reservations.has(moment.strftime(ID_FORMAT))):
                with suppress(FileExistsError), disk_errors():
                    move_new(file, self.directory / name)
                    break
            moment += timedelta(seconds=1)
        else:
            raise FileExistsError(f"{self.directory} holds too many backups of this minute")
        placed = msgspec.structs.replace(backup, id=moment.strftime(ID_FORMAT), filename=name)
        with self._removed_on_failure(self.path(placed)):
            self.write_metadata(placed)
        self._just_made[placed.reason] = placed.id
        return placed

    def add_fetched(self, file: Path, backup: StoredBackup) -> StoredBackup:
        """Moves a file that was fetched from off-site into the store, with its metadata; it expires after a day.

        `file` must be on the same file system. Raises OutOfSpace or Unavailable.
        """
        expires_at = clock.now() + RETENTION[Reason.FETCHED]
        return self.add_backup(file, msgspec.structs.replace(backup, reason=Reason.FETCHED, expires_at=expires_at))

    def is_as_made(self, backup: StoredBackup) -> bool:
        """Whether its file has the SHA-256 that it was made with; reads all of it."""
        try:
            return self.read_sha256(backup) == backup.sha256
        except OSError:
            return False

    def read_sha256(self, backup: StoredBackup) -> str:
        """The SHA-256 of its file as it is now; reads all of it. Raises OSError."""
        with self.path(backup).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def add_upload(self, file: Path, filename: str) -> StoredBackup:
        """Moves an uploaded file, called `filename` by its sender, into the store; it expires after a day.

        `file` must be on the same file system. Raises OutOfSpace or Unavailable.
        """
        own = moment = clock.now().replace(microsecond=0)
        plain = _NOT_IN_NAMES.sub("_", filename.replace("\\", "/").rpartition("/")[2])[-_LONGEST_NAME:]
        with disk_errors():
            file.chmod(0o600)
        while True:
            name = f"{moment.strftime(_UPLOADED_FORMAT)}{plain}"
            with suppress(FileExistsError), disk_errors():
                move_new(file, self.directory / name)
                break
            moment += timedelta(seconds=1)
        with self._removed_on_failure(self.directory / name):
            found = self._find(self.directory / name)
            if found is None:
                raise NotFound("The uploaded file was deleted meanwhile")
            stored = msgspec.structs.replace(
                found, reason=Reason.UPLOADED, created_at=own, expires_at=own + RETENTION[Reason.UPLOADED]
            )
            self.write_metadata(stored)
        return stored

    @contextmanager
    def _removed_on_failure(self, file: Path) -> Iterator[None]:
        """Deletes a file just moved in when its metadata cannot be written: without, it would never expire."""
        try:
            yield
        except BaseException:
            for each in (file, self._metadata_file(file)):
                with suppress(OSError):
                    each.unlink(missing_ok=True)
            raise

    def write_metadata(self, backup: StoredBackup) -> None:
        """Writes the metadata of a backup atomically. Raises OutOfSpace or Unavailable."""
        target = self._metadata_file(self.path(backup))
        with disk_errors(), scratch_directory(self.directory) as directory:
            made = directory / target.name
            with open(made, "wb", opener=open_owner_only) as file:
                file.write(msgspec.json.format(msgspec.json.encode(backup)))
                file.flush()
                os.fsync(file.fileno())
            made.replace(target)
        sync_directory(self.directory)

    def change_metadata(self, id: str, change: Callable[[StoredBackup], StoredBackup]) -> StoredBackup:
        """Writes what `change` makes of the metadata as it is now. Raises NotFound, OutOfSpace or Unavailable."""
        with self._lock, locked_directory(self.directory):
            changed = change(self.get_backup(id))
            self.write_metadata(changed)
        return changed

    def begin_test(self, id: str) -> StoredBackup:
        """The backup, which no retention deletes before `end_test`; also for other uses than tests. Raises NotFound."""
        with self._lock:
            backup = self.get_backup(id)
            self._tested[id] += 1
        return backup

    def end_test(self, id: str) -> None:
        """Ends a test that was begun."""
        with self._lock:
            self._tested[id] -= 1

    def remove_backup(self, id: str) -> StoredBackup:
        """Deletes its file and metadata. Raises NotFound or Unavailable."""
        with self._lock, locked_directory(self.directory), disk_errors():
            backup = self.get_backup(id)
            self.path(backup).unlink(missing_ok=True)
            self._metadata_file(self.path(backup)).unlink(missing_ok=True)
        return backup

    def remove_expired(self) -> list[StoredBackup]:
        """Deletes expired backups, and metadata without a backup file; returns the expired backups.

        One that is being tested stays until the test has ended.
        """
        with self._lock:
            return self._remove_expired()

    def _remove_expired(self) -> list[StoredBackup]:
        now = clock.now()
        for backup in self.list_backups():
            retention = RETENTION.get(backup.reason)
            if (
                retention is not None
                and backup.expires_at is not None
                and backup.expires_at > now + _LONGEST_RETENTION + clock.SKEW
            ):
                # Made while the clock was ahead: its retention starts now.
                with suppress(NotFound):
                    self.change_metadata(backup.id, partial(msgspec.structs.replace, expires_at=now + retention))
        backups = self.list_backups()
        held = self._holds(backups)
        expired = [
            each
            for each in backups
            if each.expires_at is not None
            and each.expires_at <= now
            and not self._tested[each.id]
            and each.id not in held
        ]
        expired = without_needed(expired, backups)
        for backup in expired:
            # Another process may have removed it.
            with suppress(NotFound):
                self.remove_backup(backup.id)
        if self.directory.is_dir():
            for metadata in self.directory.glob("*.json"):
                backed = metadata.with_suffix("")
                if not backed.exists() and (_FILE.fullmatch(backed.name) or self._read_metadata(backed) is not None):
                    metadata.unlink(missing_ok=True)
        return expired

    def keep_last(self, count: int, reasons: Iterable[Reason] = COUNTED) -> list[StoredBackup]:
        """Deletes all but the newest `count` backups of each reason; returns the deleted ones.

        The newest `count` verified ones stay too, at least one, whatever untested ones there are; and the one just
        made, whatever its date, and those that an increment that stays needs.
        """
        with self._lock:
            return self._keep_last(count, reasons)

    def _keep_last(self, count: int, reasons: Iterable[Reason]) -> list[StoredBackup]:
        removed = []
        stored = self.list_backups()
        held = self._holds(stored)
        for reason in reasons:
            backups = [each for each in stored if each.reason is reason]
            good = [each.id for each in backups if each.is_good][: max(count, 1)]
            protected = {*good, self._just_made.get(reason), *held}
            removed += [each for each in backups[count:] if each.id not in protected and not self._tested[each.id]]
        removed = without_needed(removed, stored)
        for backup in removed:
            with suppress(NotFound):
                self.remove_backup(backup.id)
        return removed

    def _is_taken(self, moment: datetime) -> bool:
        return any((self.directory / name).exists() for name in _own_names(moment))

    def _find(self, file: Path) -> StoredBackup | None:
        """The backup of a file, under Stocky's name or a foreign one; None when it is not a backup."""
        own = own_moment(file.name)
        try:
            # A link leads elsewhere, and opening a pipe would block.
            status = file.lstat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        examined = _examine(file) if own is None else (kind_of(file.name), _encryption_of(file))
        if examined is None:
            return None
        kind, encryption = examined
        id = own.strftime(ID_FORMAT) if own is not None else found_id(file.name)
        metadata = self._read_metadata(file)
        # The metadata must match the file: another file may have been copied over it.
        if metadata is not None and metadata.size_bytes == status.st_size and metadata.id == id:
            return metadata
        return StoredBackup(
            id=id,
            kind=kind,
            filename=file.name,
            size_bytes=status.st_size,
            created_at=own if own is not None else datetime.fromtimestamp(status.st_mtime, UTC),
            encryption=encryption,
        )

    def _with_possible_parents(self, backups: list[StoredBackup]) -> list[StoredBackup]:
        """The backups, of which each file of unknown content that may be a missing parent has its SHA-256."""
        known = {each.sha256 for each in backups}
        incomplete = [each for each in backups if each.parent_sha256 is not None and each.parent_sha256 not in known]
        sizes = {each.parent_size_bytes for each in incomplete}
        return [
            msgspec.structs.replace(each, sha256=self._hash(each))
            if each.sha256 is None and each.size_bytes in sizes
            else each
            for each in backups
        ]

    def _hash(self, backup: StoredBackup) -> str | None:
        """The SHA-256 of its file, read again only when the file has changed; None where it cannot be read."""
        with suppress(OSError):
            status = self.path(backup).stat()
            key = (backup.filename, status.st_ino, status.st_size, status.st_mtime_ns)
            if key not in self._hashed:
                self._hashed[key] = self.read_sha256(backup)
            return self._hashed[key]
        return None

    def _read_metadata(self, file: Path) -> StoredBackup | None:
        """The stored metadata of a file of this name."""
        with suppress(OSError, *DAMAGED_JSON):
            metadata = msgspec.json.decode(self._metadata_file(file).read_bytes(), type=StoredBackup)
            if metadata.filename == file.name:
                return metadata
        return None

    def _metadata_file(self, file: Path) -> Path:
        return file.with_name(f"{file.name}.json")


def newest_first(backups: Iterable[StoredBackup]) -> list[StoredBackup]:
    """The backups by age; those dated in the future, by a wrong clock, come last."""
    latest = clock.now() + clock.SKEW
    return sorted(backups, key=lambda each: (each.created_at <= latest, each.created_at, each.id), reverse=True)


def own_name(kind: Kind, moment: datetime, encryption: Method | None) -> str:
    """The name of a backup of this time."""
    return moment.strftime(kind.file_name) + (SUFFIX if encryption is not None else "")


def kind_of(filename: str) -> Kind:
    """The kind of a backup, by its name."""
    return Kind.ARCHIVE if filename.lower().removesuffix(SUFFIX).endswith(".zip") else Kind.SQL


def own_id(filename: str) -> str | None:
    """The id of a backup under one of the names that Stocky gives; None for any other name."""
    moment = own_moment(filename)
    return None if moment is None else moment.strftime(ID_FORMAT)


def own_moment(filename: str) -> datetime | None:
    """The time in one of the names that Stocky gives; None for any other name."""
    return _moment_in_name(filename) if _FILE.fullmatch(filename) else None


def found_id(filename: str) -> str:
    """The id of a file of this name; valid in a URL whatever the name is."""
    return f"found-{hashlib.sha256(os.fsencode(filename)).hexdigest()[:16]}"


def _moment_in_name(filename: str) -> datetime | None:
    """The time in one of Stocky's file names; None for digits that are not a valid time."""
    try:
        return datetime.strptime(filename.removesuffix(SUFFIX), kind_of(filename).file_name).replace(tzinfo=UTC)
    except ValueError:
        return None


def _own_names(moment: datetime) -> Iterator[str]:
    """The names that a backup of this time may have."""
    for kind in Kind:
        yield own_name(kind, moment, None)
        yield own_name(kind, moment, "passphrase")


def _moment(id: str) -> datetime:
    return datetime.strptime(id, ID_FORMAT).replace(tzinfo=UTC)


def _encryption_of(file: Path) -> Method | None:
    """How a file under one of Stocky's names is encrypted, by its first bytes; None where they are damaged."""
    if file.suffix == SUFFIX:
        with suppress(OSError):
            return method_of_file(file)
    return None


def _examine(file: Path) -> tuple[Kind, Method | None] | None:
    """The kind and the encryption of a file, by its first bytes; None for a file that cannot be a backup."""
    if file.name.startswith(".") or not _is_text(file.name):
        return None
    try:
        # Opening a pipe would block, and a link leads elsewhere.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        beginning = os.read(descriptor, _BEGINNING)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    if beginning.startswith(_ZIP_START):
        return Kind.ARCHIVE, None
    if (encryption := method_of(beginning)) is not None:
        return kind_of(file.name), encryption
    is_dump = (
        beginning.startswith(_GZIP_START)
        or beginning.removeprefix(_BOM).startswith(TITLE.encode())
        or _UPLOADED.fullmatch(file.name) is not None
    )
    return (Kind.SQL, None) if is_dump else None


def _is_text(name: str) -> bool:
    """Whether the name can be sent in a response: not every file name is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

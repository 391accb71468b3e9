"""Reads an archive as the hostile input it may be: known names only, bounded, every member as its description says."""

from __future__ import annotations

import errno
import hashlib
import struct
import zipfile
import zlib
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from stocky.backup.workspace import disk_errors
from stocky.errors import BadRequest, Conflict, TooLarge

# Raised when a reader of this version could misunderstand what is in an archive.
FORMAT = 1
DATABASE, SETTINGS, METADATA = "database.sql.gz", "settings.json", "metadata.json"
MEMBERS = frozenset({DATABASE, SETTINGS, METADATA})
CHUNK = 2**20
# What describes an archive is small, whatever is in it.
LARGEST_METADATA = 2**20
# What zipfile raises for a file that is no zip, or no longer one.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
)


class Member(msgspec.Struct, frozen=True):
    """A file in an archive."""

    size_bytes: int
    sha256: str


class Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an archive says about itself."""

    timestamp: datetime
    format: int
    app_version: str
    schema_version: int
    dialect: str
    database_size_bytes: int
    rows: dict[str, int]
    documents_count: int
    documents_size_bytes: int
    settings_count: int
    members: dict[str, Member]


class _Format(msgspec.Struct):
    format: int
    app_version: str = "a newer version"


def extract_dump(archive: Path, target: Path, max_bytes: int) -> Metadata:
    """Writes the dump of an archive to `target`, after every member was compared with what describes it.

    Raises BadRequest for one that is damaged or holds anything else, Conflict for one of a newer format, TooLarge,
    OutOfSpace.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            metadata = _metadata(opened)
            _prove(opened, SETTINGS, metadata, None, max_bytes)
            _prove(opened, DATABASE, metadata, target, max_bytes)
    except _DAMAGE as error:
        raise corrupted(str(error) or type(error).__name__) from error
    except OSError as error:
        if error.errno == errno.EINVAL:
            # A member that begins before the file does.
            raise corrupted("its parts are not where it says") from error
        raise
    return metadata


def corrupted(why: str) -> BadRequest:
    """The refusal of an archive."""
    return BadRequest(f"Backup file is corrupted: {why}")


def _metadata(opened: zipfile.ZipFile) -> Metadata:
    members = opened.infolist()
    names = [member.filename for member in members]
    if len(names) > len(MEMBERS) or len(set(names)) < len(names) or not set(names) <= MEMBERS:
        # In the order they are in, as it may be many.
        foreign = next((name for name in names if name not in MEMBERS), "a name twice")
        raise corrupted(f"it holds {foreign[:60]!r}, which no archive of Stocky's does")
    if missing := MEMBERS - set(names):
        raise corrupted(f"it has no {', '.join(sorted(missing))}")
    if opened.getinfo(METADATA).file_size > LARGEST_METADATA:
        raise corrupted(f"{METADATA} is too large")
    text = opened.read(METADATA)
    with suppress(msgspec.MsgspecError):
        found = msgspec.json.decode(text, type=_Format)
        if found.format > FORMAT:
            raise Conflict(
                f"The archive was made by {found.app_version}, which is newer than this Stocky; update first"
            )
    try:
        metadata = msgspec.json.decode(text, type=Metadata)
    except msgspec.MsgspecError as error:
        raise corrupted(f"{METADATA} cannot be read ({error})") from error
    if set(metadata.members) != MEMBERS - {METADATA}:
        raise corrupted(f"{METADATA} does not describe what is in it")
    return metadata


def _prove(opened: zipfile.ZipFile, name: str, metadata: Metadata, target: Path | None, max_bytes: int) -> None:
    """Reads a member to its end, into `target` where one is given."""
    described = metadata.members[name]
    if described.size_bytes > max_bytes or opened.getinfo(name).file_size > max_bytes:
        raise TooLarge(f"{name} in the archive is larger than {max_bytes / 2**30:g} GB (STOCKY_MAX_RESTORE_GB)")
    hashed, size = hashlib.sha256(), 0
    with opened.open(name) as member, disk_errors(), target.open("wb") if target else _Nowhere() as file:
        while chunk := member.read(CHUNK):
            size += len(chunk)
            if size > described.size_bytes:
                break
            hashed.update(chunk)
            file.write(chunk)
    if (size, hashed.hexdigest()) != (described.size_bytes, described.sha256):
        raise corrupted(f"{name} is not what was put into it")


class _Nowhere:
    """Where a member goes that is only compared."""

    def __enter__(self) -> _Nowhere:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def write(self, chunk: bytes) -> None:
        return None

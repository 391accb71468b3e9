"""Opens a backup file: a dump, or an untrusted archive, of which every member is bounded and checked.

Only known names are read, and each member is checked against the metadata. An archive that was unpacked and zipped
again is accepted: an enclosing folder, and files added by file managers, are ignored. A zip that contains only one dump
or archive is opened as that file.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec

from stocky.backup.encryption.reading import open_encrypted
from stocky.config import Config
from stocky.disk import disk_errors
from stocky.documents.kinds import BEGINNING, MAX_BYTES, identify
from stocky.errors import BadRequest, Conflict, TooLarge
from stocky.progress import ProgressCallback, ignore_progress

# Increased when a reader of this version could misread an archive. Format 2 may hold documents.
FORMAT = 2
DATABASE, SETTINGS, METADATA, DOCUMENTS = "database.sql.gz", "settings.json", "metadata.json", "documents/"
# Suffixes of restorable files that are not archives.
DUMPS: tuple[str, ...] = (".sql.gz", ".sql", ".gz", ".db", ".sqlite", ".sqlite3")
BACKUPS = (*DUMPS, ".zip")
MEMBERS = frozenset({DATABASE, SETTINGS, METADATA})
MAX_DOCUMENTS = 100_000
CHUNK = 2**20
# Enough for MAX_DOCUMENTS.
LARGEST_METADATA = LARGEST_DIRECTORY = 32 * 2**20
_DOCUMENT = re.compile(re.escape(DOCUMENTS) + r"([0-9a-f]{64})")
# Files that file managers add to a zip; macOS also adds a folder __MACOSX and names that start with "._".
_ADDED = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
# The end-of-central-directory records of zip, and of zip64 with its locator; [5] and [8] are the directory's size.
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q20x")
_TAIL = _END64.size + _END.size + 65_536
# What zipfile raises for a file that is not a zip or is damaged.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,  # an unknown compression, or a member that needs a later version
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
)

SUFFIX = ".zip"
_ZIP = b"PK"


class Member(msgspec.Struct, frozen=True):
    """A file in an archive."""

    size_bytes: int
    sha256: str


class Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The metadata file of an archive."""

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


class Extracted(msgspec.Struct, frozen=True):
    """The content of an archive: content sizes by SHA-256, and contents that were damaged when it was made."""

    metadata: Metadata
    contents: dict[str, int]
    damaged: list[str]


class _Format(msgspec.Struct):
    format: int
    app_version: str = "a newer version"


def extract_dump(archive: Path, target: Path, max_bytes: int, *, accept_edited: bool = False) -> Extracted:
    """Extracts the dump of an archive to `target`, and compares every member with the metadata.

    With `accept_edited` the dump itself is not compared: its own reader reports the edits.

    Raises BadRequest for a damaged archive or one with other members, Conflict for a newer format, TooLarge,
    OutOfSpace.
    """
    with _open_archive(archive) as opened:
        metadata = _metadata(opened)
        if sum(member.size_bytes for member in metadata.members.values()) > max_bytes:
            raise _too_large("the content of the archive", max_bytes)
        _read_checked(opened, SETTINGS, metadata, max_bytes, _ignore)
        with disk_errors(), target.open("wb") as file:
            _read_checked(opened, DATABASE, metadata, max_bytes, file.write, accept_edited=accept_edited)
        contents, damaged = {}, []
        for name, member in metadata.members.items():
            if (match := _DOCUMENT.fullmatch(name)) is None:
                continue
            if member.size_bytes > MAX_BYTES:
                raise corrupted(f"{name} is larger than a document can be")
            beginning = bytearray()
            _read_checked(opened, name, metadata, MAX_BYTES, _first_of(beginning))
            if member.sha256 != match[1]:
                damaged.append(match[1])
            elif identify(bytes(beginning)) is None:
                raise corrupted(f"{name} is not of a file type that Stocky stores")
            else:
                contents[match[1]] = member.size_bytes
    return Extracted(metadata, contents, damaged)


def extract_only_file(archive: Path, target: Path, max_bytes: int) -> bool:
    """Extracts the only file of a zip to `target` if it is a backup by its name; otherwise returns False.

    Raises BadRequest when it is not a zip, TooLarge, OutOfSpace.
    """
    with _open_archive(archive) as opened:
        files = [name for name in opened.names if not name.endswith("/") or opened.size(name)]
        (name, *others) = files or [""]
        if others or not name.lower().endswith(BACKUPS):
            return False
        size = 0
        with disk_errors(), opened.open(name) as member, target.open("wb") as file:
            while chunk := member.read(CHUNK):
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large("the content of the zip file", max_bytes)
                file.write(chunk)
    return True


@contextmanager
def open_contents(archive: Path) -> Iterator[Callable[[str], Iterator[bytes]]]:
    """Yields a function that reads a content by its SHA-256 in pieces. `extract_dump` has checked them before.

    The function raises BadRequest when a content differs from its SHA-256.
    """
    with _open_archive(archive) as opened:

        def pieces(sha256: str) -> Iterator[bytes]:
            hashed = hashlib.sha256()
            with opened.open(f"{DOCUMENTS}{sha256}") as member:
                while chunk := member.read(CHUNK):
                    hashed.update(chunk)
                    yield chunk
            if hashed.hexdigest() != sha256:
                raise corrupted(f"{DOCUMENTS}{sha256} does not match its checksum")

        yield pieces


def content_warnings(damaged: int, lost: int) -> list[str]:
    """A warning about contents that were damaged when an archive was made, and one about missing contents."""
    return [
        f"The content of {document_count(count)} was {what} when it was made"
        for count, what in ((damaged, "damaged already"), (lost, "missing from the store"))
        if count
    ]


def document_count(count: int) -> str:
    """The count with its noun: "1 document", "2 documents"."""
    return "1 document" if count == 1 else f"{count} documents"


def corrupted(why: str) -> BadRequest:
    """The error for a damaged archive."""
    return BadRequest(f"Backup file is corrupted: {why}")


class _Members:
    """The members of an archive by their original names.

    Raises BadRequest for duplicate or too many members.
    """

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._opened = opened
        self._members: dict[str, zipfile.ZipInfo] = {}
        # Some Windows programs write names with backslashes.
        named = [(info.filename.replace("\\", "/").removeprefix("./"), info) for info in opened.infolist()]
        named = [(name, info) for name, info in named if not _is_added(name)]
        folder = _folder({name for name, _ in named})
        for name, info in named:
            plain = name.removeprefix(folder)
            if plain in ("", DOCUMENTS) and info.file_size == 0:
                continue
            if plain in self._members or len(self._members) == len(MEMBERS) + MAX_DOCUMENTS:
                raise corrupted("it has too many members, or one twice")
            self._members[plain] = info

    @property
    def names(self) -> set[str]:
        """The names of all members."""
        return set(self._members)

    def size(self, name: str) -> int:
        """The unpacked size that the zip directory states for a member."""
        return self._members[name].file_size

    def open(self, name: str) -> IO[bytes]:
        """Opens a member for reading. Raises what zipfile does."""
        return self._opened.open(self._members[name])


class BackupFile(msgspec.Struct, frozen=True):
    """The path of the dump; for an archive also its file, content sizes by SHA-256, and contents marked damaged."""

    dump: Path
    archive: Path | None = None
    contents: dict[str, int] = {}
    damaged: list[str] = []


async def open_backup(
    file: Path,
    directory: Path,
    config: Config,
    *,
    accept_edited: bool = False,
    passphrase: str | None = None,
    report: ProgressCallback = ignore_progress,
) -> BackupFile:
    """Opens a dump or an archive, whose dump is extracted to `directory`; an encrypted one is decrypted there first.

    `passphrase` takes the place of the configured one. Raises what `extract_dump` and `open_encrypted` raise.
    """
    file = await open_encrypted(file, directory, config.encryption, passphrase, report)
    return await asyncio.to_thread(
        _open_backup, file, directory, config.max_restore_gb * 2**30, accept_edited=accept_edited
    )


def _is_added(name: str) -> bool:
    """Whether file managers add members of this name to a zip."""
    parts = name.split("/")
    if ".." in parts or parts[0] == "":
        return False
    return parts[0] == "__MACOSX" or parts[-1] in _ADDED or parts[-1].startswith("._")


def _folder(names: set[str]) -> str:
    """The enclosing folder of an archive that was zipped again, with its slash; empty when there is none."""
    around = [name.removesuffix(METADATA) for name in names if name.endswith(f"/{METADATA}")]
    if METADATA in names or len(around) != 1 or around[0].count("/") != 1 or around[0] in ("../", "./", "/"):
        return ""
    return around[0]


@contextmanager
def _open_archive(archive: Path) -> Iterator[_Members]:
    try:
        _bound_directory(archive)
        with zipfile.ZipFile(archive) as opened:
            yield _Members(opened)
    except _DAMAGE as error:
        raise corrupted(str(error) or type(error).__name__) from error
    except OSError as error:
        if error.errno == errno.EINVAL:
            # A member offset before the start of the file.
            raise corrupted("its directory has invalid offsets") from error
        raise


def _bound_directory(archive: Path) -> None:
    """Raises BadRequest for a directory too large for memory, which zipfile would read completely."""
    with archive.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < _END.size:
        raise corrupted("it is not a zip file, or is truncated")
    sizes = [_END.unpack_from(tail, end)[5]]
    if end >= _END64.size and tail.startswith(b"PK\x06\x06", end - _END64.size):
        # The zip64 record has the valid size.
        sizes.append(_END64.unpack_from(tail, end - _END64.size)[8])
    if max(sizes) > LARGEST_DIRECTORY:
        raise corrupted("it has more members than any Stocky archive")


def _metadata(opened: _Members) -> Metadata:
    names = opened.names
    if foreign := next((name for name in names if name not in MEMBERS and not _DOCUMENT.fullmatch(name)), None):
        raise corrupted(f"it contains {foreign[:60]!r}, which is in no Stocky archive")
    if missing := MEMBERS - names:
        raise corrupted(f"it has no {', '.join(sorted(missing))}")
    if opened.size(METADATA) > LARGEST_METADATA:
        raise corrupted(f"{METADATA} is too large")
    with opened.open(METADATA) as member:
        text = member.read()
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
    documents = [member.size_bytes for name, member in metadata.members.items() if name not in MEMBERS]
    if set(metadata.members) != names - {METADATA} or (len(documents), sum(documents)) != (
        metadata.documents_count,
        metadata.documents_size_bytes,
    ):
        raise corrupted(f"{METADATA} does not match its members")
    return metadata


def _read_checked(
    opened: _Members,
    name: str,
    metadata: Metadata,
    max_bytes: int,
    take: Callable[[bytes], object],
    *,
    accept_edited: bool = False,
) -> None:
    """Reads a member to its end, passes it on in pieces, and checks size and SHA-256."""
    described = metadata.members[name]
    largest = max_bytes if accept_edited else described.size_bytes
    if described.size_bytes > max_bytes or opened.size(name) > max_bytes:
        raise _too_large(f"{name} in the archive", max_bytes)
    hashed, size = hashlib.sha256(), 0
    with opened.open(name) as member:
        while chunk := member.read(CHUNK):
            size += len(chunk)
            if size > largest:
                break
            hashed.update(chunk)
            take(chunk)
    if size > largest or (not accept_edited and (size, hashed.hexdigest()) != (described.size_bytes, described.sha256)):
        raise corrupted(f"{name} does not match its checksum")


def _too_large(what: str, max_bytes: int) -> TooLarge:
    return TooLarge(f"{what} is larger than {max_bytes / 2**30:g} GB (STOCKY_MAX_RESTORE_GB)")


def _ignore(chunk: bytes) -> None:
    return None


def _first_of(beginning: bytearray) -> Callable[[bytes], None]:
    def take(chunk: bytes) -> None:
        beginning.extend(chunk[: max(0, BEGINNING - len(beginning))])

    return take


def _open_backup(file: Path, directory: Path, max_bytes: int, *, accept_edited: bool) -> BackupFile:
    if not _is_zip(file):
        return BackupFile(file)
    only_file = directory / "unzipped"
    if extract_only_file(file, only_file, max_bytes):
        file = only_file
        if not _is_zip(file):
            return BackupFile(file)
    dump = directory / "database.sql.gz"
    extracted = extract_dump(file, dump, max_bytes, accept_edited=accept_edited)
    return BackupFile(dump, file, extracted.contents, extracted.damaged)


def _is_zip(file: Path) -> bool:
    with file.open("rb") as beginning:
        return file.suffix == SUFFIX or beginning.read(len(_ZIP)) == _ZIP

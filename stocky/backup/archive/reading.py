"""Reads an archive as the hostile input it may be: known names only, bounded, every member as its description says.

One that was unpacked and zipped again is the same: a folder around it, and what file managers add, are passed over.
"""

from __future__ import annotations

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

from stocky.documents.kinds import BEGINNING, MAX_BYTES, identify
from stocky.errors import BadRequest, Conflict, TooLarge
from stocky.worker.workspace import disk_errors

# Raised when a reader of this version could misunderstand what is in an archive. 2 may hold documents.
FORMAT = 2
DATABASE, SETTINGS, METADATA, DOCUMENTS = "database.sql.gz", "settings.json", "metadata.json", "documents/"
# How files are named that can be restored and are no archives.
DUMPS: tuple[str, ...] = (".sql.gz", ".sql", ".gz", ".db", ".sqlite", ".sqlite3")
BACKUPS = (*DUMPS, ".zip")
MEMBERS = frozenset({DATABASE, SETTINGS, METADATA})
MAX_DOCUMENTS = 100_000
CHUNK = 2**20
# Enough for MAX_DOCUMENTS.
LARGEST_METADATA = LARGEST_DIRECTORY = 32 * 2**20
_DOCUMENT = re.compile(re.escape(DOCUMENTS) + r"([0-9a-f]{64})")
# What file managers put into a zip besides: of macOS in a folder __MACOSX as well, and with names that begin with "._".
_ADDED = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
# The end of a zip's directory, and the one before it with its locator where parts are large; [5] and [8] are the
# directory's size.
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q20x")
_TAIL = _END64.size + _END.size + 65_536
# What zipfile raises for a file that is no zip, or no longer one.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,  # a compression that it does not know, or a part that needs a later version
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


class Extracted(msgspec.Struct, frozen=True):
    """What an archive holds: sizes of contents by their SHA-256, and contents that were damaged when it was made."""

    metadata: Metadata
    contents: dict[str, int]
    damaged: list[str]


class _Format(msgspec.Struct):
    format: int
    app_version: str = "a newer version"


def extract_dump(archive: Path, target: Path, max_bytes: int, *, accept_edited: bool = False) -> Extracted:
    """Writes the dump of an archive to `target`, after every member was compared with what describes it.

    With `accept_edited` the dump itself is not compared: its own reader says what is to be said of an edited one.

    Raises BadRequest for one that is damaged or holds anything else, Conflict for one of a newer format, TooLarge,
    OutOfSpace.
    """
    with _opened(archive) as opened:
        metadata = _metadata(opened)
        if sum(member.size_bytes for member in metadata.members.values()) > max_bytes:
            raise _too_large("what is in the archive", max_bytes)
        _read_checked(opened, SETTINGS, metadata, max_bytes, _ignore)
        with disk_errors(), target.open("wb") as file:
            _read_checked(opened, DATABASE, metadata, max_bytes, file.write, accept_edited=accept_edited)
        contents, damaged = {}, []
        for name, member in metadata.members.items():
            if (match := _DOCUMENT.fullmatch(name)) is None:
                continue
            if member.size_bytes > MAX_BYTES:
                raise corrupted(f"{name} is larger than any document is")
            beginning = bytearray()
            _read_checked(opened, name, metadata, MAX_BYTES, _first_of(beginning))
            if member.sha256 != match[1]:
                damaged.append(match[1])
            elif identify(bytes(beginning)) is None:
                raise corrupted(f"{name} is none of the files that Stocky keeps")
            else:
                contents[match[1]] = member.size_bytes
    return Extracted(metadata, contents, damaged)


def extract_only_file(archive: Path, target: Path, max_bytes: int) -> bool:
    """Writes the one file of a zip that is no archive but has a backup in it to `target`; False where it is another.

    Raises BadRequest for what is no zip, TooLarge, OutOfSpace.
    """
    with _opened(archive) as opened:
        files = [name for name in opened.names if not name.endswith("/") or opened.size(name)]
        (name, *others) = files or [""]
        if others or not name.lower().endswith(BACKUPS):
            return False
        size = 0
        with disk_errors(), opened.open(name) as member, target.open("wb") as file:
            while chunk := member.read(CHUNK):
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large("what is in the zip file", max_bytes)
                file.write(chunk)
    return True


@contextmanager
def open_contents(archive: Path) -> Iterator[Callable[[str], Iterator[bytes]]]:
    """Gives, for the length of the block, the content of a SHA-256 piece by piece. `extract_dump` has proven them.

    Raises BadRequest where one is not what was proven.
    """
    with _opened(archive) as opened:

        def pieces(sha256: str) -> Iterator[bytes]:
            hashed = hashlib.sha256()
            with opened.open(f"{DOCUMENTS}{sha256}") as member:
                while chunk := member.read(CHUNK):
                    hashed.update(chunk)
                    yield chunk
            if hashed.hexdigest() != sha256:
                raise corrupted(f"{DOCUMENTS}{sha256} is not what was put into it")

        yield pieces


def content_warnings(damaged: int, lost: int) -> list[str]:
    """A line for contents that were damaged when an archive was made, and one for those that were not there."""
    return [
        f"The content of {document_count(count)} was {what} when it was made"
        for count, what in ((damaged, "damaged already"), (lost, "missing from the store"))
        if count
    ]


def document_count(count: int) -> str:
    """So many documents."""
    return "1 document" if count == 1 else f"{count} documents"


def corrupted(why: str) -> BadRequest:
    """The refusal of an archive."""
    return BadRequest(f"Backup file is corrupted: {why}")


class _Members:
    """The members of an archive by the names they were given when it was made.

    Raises BadRequest for a member that neither an archive of Stocky's nor a file manager puts into a zip.
    """

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._opened = opened
        self._members: dict[str, zipfile.ZipInfo] = {}
        # Some programs of Windows write the names of their own file system.
        named = [(info.filename.replace("\\", "/").removeprefix("./"), info) for info in opened.infolist()]
        named = [(name, info) for name, info in named if not _is_added(name)]
        folder = _folder({name for name, _ in named})
        for name, info in named:
            plain = name.removeprefix(folder)
            if plain in ("", DOCUMENTS) and info.file_size == 0:
                continue
            if plain in self._members or len(self._members) == len(MEMBERS) + MAX_DOCUMENTS:
                raise corrupted("it holds too much, or something twice")
            self._members[plain] = info

    @property
    def names(self) -> set[str]:
        """The names of all members."""
        return set(self._members)

    def size(self, name: str) -> int:
        """How many bytes a member says that it unpacks to."""
        return self._members[name].file_size

    def open(self, name: str) -> IO[bytes]:
        """A member to be read. Raises what zipfile does."""
        return self._opened.open(self._members[name])


def _is_added(name: str) -> bool:
    """Whether a file manager adds members of this name to what it zips."""
    parts = name.split("/")
    if ".." in parts or parts[0] == "":
        return False
    return parts[0] == "__MACOSX" or parts[-1] in _ADDED or parts[-1].startswith("._")


def _folder(names: set[str]) -> str:
    """The folder around an archive that was zipped again, with its slash; empty where there is none."""
    around = [name.removesuffix(METADATA) for name in names if name.endswith(f"/{METADATA}")]
    if METADATA in names or len(around) != 1 or around[0].count("/") != 1 or around[0] in ("../", "./", "/"):
        return ""
    return around[0]


@contextmanager
def _opened(archive: Path) -> Iterator[_Members]:
    try:
        _bound_directory(archive)
        with zipfile.ZipFile(archive) as opened:
            yield _Members(opened)
    except _DAMAGE as error:
        raise corrupted(str(error) or type(error).__name__) from error
    except OSError as error:
        if error.errno == errno.EINVAL:
            # A member that begins before the file does.
            raise corrupted("its parts are not where it says") from error
        raise


def _bound_directory(archive: Path) -> None:
    """Refuses a list of members that would fill the memory; zipfile reads all of it before it says anything."""
    with archive.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < _END.size:
        raise corrupted("it is no zip file, or was cut off")
    sizes = [_END.unpack_from(tail, end)[5]]
    if end >= _END64.size and tail.startswith(b"PK\x06\x06", end - _END64.size):
        # Of a zip with large parts, where this is what counts.
        sizes.append(_END64.unpack_from(tail, end - _END64.size)[8])
    if max(sizes) > LARGEST_DIRECTORY:
        raise corrupted("it holds more than any archive of Stocky's does")


def _metadata(opened: _Members) -> Metadata:
    names = opened.names
    if foreign := next((name for name in names if name not in MEMBERS and not _DOCUMENT.fullmatch(name)), None):
        raise corrupted(f"it holds {foreign[:60]!r}, which no archive of Stocky's does")
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
        raise corrupted(f"{METADATA} does not describe what is in it")
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
    """Reads a member to its end and hands it on piece by piece."""
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
        raise corrupted(f"{name} is not what was put into it")


def _too_large(what: str, max_bytes: int) -> TooLarge:
    return TooLarge(f"{what} is larger than {max_bytes / 2**30:g} GB (STOCKY_MAX_RESTORE_GB)")


def _ignore(chunk: bytes) -> None:
    return None


def _first_of(beginning: bytearray) -> Callable[[bytes], None]:
    def take(chunk: bytes) -> None:
        beginning.extend(chunk[: max(0, BEGINNING - len(beginning))])

    return take

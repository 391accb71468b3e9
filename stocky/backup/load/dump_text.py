"""The text of an untrusted file: unpacked within bounds and decoded, or recognised as something else and refused.

A file may be gzipped several times; the bounds hold for each layer. Reverted are only changes that editors and browsers
make: a byte order mark and CR LF line ends. The footer's checksum is of the text as it was written.
"""

from __future__ import annotations

import codecs
import io
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from isal import igzip, isal_zlib

from stocky.backup.dump.format import TITLE
from stocky.errors import BadRequest, TooLarge

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Text compresses 4 to 10 times. A larger ratio than this, beyond RATIO_FROM bytes, is a zip bomb.
LARGEST_RATIO = 200
RATIO_FROM = 64 * 2**20
# Gzipped by Stocky, and again by other programs; more layers than these are no accident.
MAX_LAYERS = 3
# Bytes read to identify a file, and the buffer size of intermediate layers.
BEGINNING = 2**16
GZIP = b"\x1f\x8b"

# isal annotates its exception class as an instance.
_DAMAGED = (OSError, zlib.error, cast("type[Exception]", isal_zlib.error))
_BOM_TEXT = "\ufeff"

# A dump, or rows for a partial import, start with a comment or one of these statements.
_SQL = re.compile(rb"\s*(?:--|(?:INSERT|PRAGMA|BEGIN|CREATE|SET)\s)", re.IGNORECASE)
_BOM_BYTES = b"\xef\xbb\xbf"

# The start of `sqlite3 FILE .dump` and of Python's iterdump.
_SQLITE_DUMP = re.compile(rb"(?:PRAGMA foreign_keys\s*=\s*OFF;\s*)?BEGIN TRANSACTION;\s")
_POSTGRES_DUMP = re.compile(rb"[\s-]*PostgreSQL database (?:cluster )?dump\b")
_POSTGRES_CUSTOM = b"PGDMP"

_OF_SQLITE = (
    "It is an SQL dump of the sqlite3 program, which has no checksum. Load it with sqlite3, and restore the database"
    " file:\n  {read} FILE | sqlite3 stocky-old.db\n  stocky restore stocky-old.db"
)
_OF_POSTGRES = (
    "It is a pg_dump, which has no checksum. Load it into a separate database, and restore a backup of that:\n"
    "  createdb stocky_old && {load}\n"
    "  STOCKY_DATABASE_URL=postgresql:///stocky_old stocky backup -o old.sql.gz && stocky restore old.sql.gz"
)

# Other files that users send, by their first bytes.
_OTHERS = (
    (b"PK\x03\x04", "it is a zip file; restore a Stocky archive directly, not inside another file"),
    (b"\xfd7zXZ\x00", "it is packed with xz; unpack it with 'unxz'"),
    (b"BZh", "it is packed with bzip2; unpack it with 'bunzip2'"),
    (b"\x28\xb5\x2f\xfd", "it is packed with zstd; unpack it with 'unzstd'"),
    (b"7z\xbc\xaf\x27\x1c", "it is packed with 7-Zip; unpack it"),
    (b"Rar!", "it is packed with RAR; unpack it"),
    (b"age-encryption.org/", "it is encrypted with age; decrypt it with 'age -d'"),
    (b"H4sI", "it is a gzip file in base64; decode it with 'base64 -d'"),
    (b"\xff\xfe", "an editor saved it as UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "an editor saved it as UTF-16; save it as UTF-8"),
    (b"\x1f\xef\xbf\xbd", "a program treated the gzip file as text and replaced bytes; download it again as a file"),
    (b"<", "it is a web page; an error message was saved instead of the backup. Download it again"),
    (b"{", "it is JSON; an error message was saved instead of the backup. Download it again"),
)


class Unpacked:
    """The innermost content of a file. `layers` is how often it was gzipped, `beginning` its first bytes.

    Raises BadRequest when it cannot be unpacked, TooLarge.
    """

    def __init__(self, file: Path, max_bytes: int) -> None:
        self.layers = 0
        self.packed_bytes = file.stat().st_size
        self._file = io.BufferedReader(io.FileIO(file), BEGINNING)
        self._innermost: io.BufferedReader[Any] = self._file
        try:
            self.beginning = self._peek()
            while self.beginning.startswith(GZIP):
                if self.layers == MAX_LAYERS:
                    raise BadRequest(
                        f"Invalid gzip file: it is packed more than {MAX_LAYERS} times; unpack it with 'gunzip'"
                    )
                self.layers += 1
                layer = _Layer(self._innermost, self.packed_bytes, max_bytes)
                self._innermost = io.BufferedReader(layer, BEGINNING)
                self.beginning = self._peek()
        except BaseException:
            self.close()
            raise

    @property
    def packed_bytes_read(self) -> int:
        """The number of packed bytes read, for progress."""
        return self._file.tell()

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        return self._innermost.read(size)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _peek(self) -> bytes:
        return self._innermost.peek(BEGINNING)


class _Layer(io.RawIOBase):
    """The unpacked content of one gzip layer. Raises when it exceeds the bounds."""

    def __init__(self, packed: io.BufferedReader[Any], packed_bytes: int, max_bytes: int) -> None:
        self._unpacked = igzip.GzipFile(fileobj=packed, mode="rb")  # type: ignore[no-untyped-call]  # isal does not annotate it
        self._packed_bytes = packed_bytes
        self._max_bytes = max_bytes
        self._bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        try:
            count: int = self._unpacked.readinto(buffer)
        except EOFError as error:
            raise BadRequest("Invalid gzip file: it is truncated. Create or download it again") from error
        except _DAMAGED as error:
            raise BadRequest(f"Invalid gzip file: it is damaged ({error}). Create or download it again") from error
        self._bytes += count
        if self._bytes > self._max_bytes:
            raise TooLarge(
                f"Unpacked, the backup exceeds the limit of {self._max_bytes / 2**30:g} GB (STOCKY_MAX_RESTORE_GB)"
            )
        if self._bytes > RATIO_FROM and self._bytes > LARGEST_RATIO * self._packed_bytes:
            raise BadRequest("The backup unpacks to far more bytes than text would; it was not made by Stocky")
        return count


class DumpText:
    """The text of an unpacked file. Raises BadRequest when it is not SQL text."""

    def __init__(self, source: Unpacked) -> None:
        self._source = source
        # Whether an editor changed every line end: Stocky's own text has no CR LF outside values.
        self.has_crlf = False
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._waiting = ""
        self._is_at_beginning = True
        self._is_at_end = False
        if source.beginning and not _is_sql(source.beginning) and (refusal := _refusal(source)):
            raise refusal

    @property
    def packed_bytes(self) -> int:
        """The size of the file, for progress."""
        return self._source.packed_bytes

    @property
    def packed_bytes_read(self) -> int:
        """The number of bytes read from the file."""
        return self._source.packed_bytes_read

    def read(self, size: int) -> str:
        """The text of about `size` more bytes; empty at the end."""
        text = ""
        while not text and not self._is_at_end:
            unpacked = self._source.read(size)
            self._is_at_end = not unpacked
            try:
                text = self._decoder.decode(unpacked, final=self._is_at_end)
            except UnicodeDecodeError as error:
                raise BadRequest(
                    "The backup is not SQL text: it is not in UTF-8. If an editor saved it in another encoding, save it"
                    " as UTF-8"
                ) from error
            if "\0" in text:
                raise BadRequest("The backup is not SQL text: it contains NUL characters")
            text = self._as_written(text)
        return text

    def _as_written(self, text: str) -> str:
        if self._is_at_beginning and text:
            self._is_at_beginning = False
            text = text.removeprefix(_BOM_TEXT)
            self.has_crlf = text.startswith(f"{TITLE}\r\n")
        if not self.has_crlf:
            return text
        text = self._waiting + text
        self._waiting = ""
        if text.endswith("\r") and not self._is_at_end:
            # The LF may follow.
            text, self._waiting = text[:-1], "\r"
        return text.replace("\r\n", "\n")


def _refusal(source: Unpacked) -> BadRequest | None:
    """The error for a file that does not start as SQL text; None when parsing its first statement explains more."""
    if description := _describe_dump(source.beginning, source.layers):
        return BadRequest(f"This is not a Stocky backup. {description}")
    description = _describe_other(source.beginning)
    if source.layers:
        return BadRequest(f"The backup is not SQL text: {description}") if description else None
    return BadRequest(f"Invalid gzip file: {description or 'it is neither gzip nor SQL text of a backup'}")


def _is_sql(beginning: bytes) -> bool:
    """Whether these may be the first bytes of SQL text that the dump reader accepts."""
    return _SQL.match(beginning.removeprefix(_BOM_BYTES)) is not None


def _describe_dump(beginning: bytes, layers: int) -> str | None:
    """How to restore a dump of another program, gzipped `layers` times; None when it is not recognised."""
    beginning = beginning.removeprefix(_BOM_BYTES)
    read = "zcat" if layers else "cat"
    if _SQLITE_DUMP.match(beginning):
        return _OF_SQLITE.format(read=read)
    if beginning.startswith(_POSTGRES_CUSTOM):
        return _OF_POSTGRES.format(load="pg_restore --no-owner -d stocky_old FILE")
    if _POSTGRES_DUMP.match(beginning):
        return _OF_POSTGRES.format(load=f"{read} FILE | psql -q -d stocky_old")
    return None


def _describe_other(beginning: bytes) -> str | None:
    """What kind of file this is if not a dump, and how to proceed; None when it is not recognised."""
    stripped = beginning.removeprefix(_BOM_BYTES).lstrip()
    return next(
        (description for start, description in _OTHERS if beginning.startswith(start) or stripped.startswith(start)),
        None,
    )

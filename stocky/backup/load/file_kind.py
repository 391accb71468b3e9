"""Recognises files that are not Stocky backups by their first bytes, and describes how to proceed with them."""

from __future__ import annotations

import re

# A dump, or rows for a partial import, start with a comment or one of these statements.
_SQL = re.compile(rb"\s*(?:--|(?:INSERT|PRAGMA|BEGIN|CREATE|SET)\s)", re.IGNORECASE)
_BOM = b"\xef\xbb\xbf"

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


def is_sql(beginning: bytes) -> bool:
    """Whether these may be the first bytes of SQL text that the dump reader accepts."""
    return _SQL.match(beginning.removeprefix(_BOM)) is not None


def describe_dump(beginning: bytes, layers: int) -> str | None:
    """How to restore a dump of another program, gzipped `layers` times; None when it is not recognised."""
    beginning = beginning.removeprefix(_BOM)
    read = "zcat" if layers else "cat"
    if _SQLITE_DUMP.match(beginning):
        return _OF_SQLITE.format(read=read)
    if beginning.startswith(_POSTGRES_CUSTOM):
        return _OF_POSTGRES.format(load="pg_restore --no-owner -d stocky_old FILE")
    if _POSTGRES_DUMP.match(beginning):
        return _OF_POSTGRES.format(load=f"{read} FILE | psql -q -d stocky_old")
    return None


def describe_other(beginning: bytes) -> str | None:
    """What kind of file this is if not a dump, and how to proceed; None when it is not recognised."""
    stripped = beginning.removeprefix(_BOM).lstrip()
    return next(
        (description for start, description in _OTHERS if beginning.startswith(start) or stripped.startswith(start)),
        None,
    )

"""Plain connections to a SQLite file: their settings, the format of times, and the translation of errors."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

from stocky.errors import Conflict, Invalid, OutOfSpace, Unavailable

BUSY_TIMEOUT_MS = 5_000
# Few, large checkpoints: each one writes pages all over the file while scans wait, and most pages are in the log many
# times. A commit that leaves more than this in the log is followed by one; the log's file keeps its size.
CHECKPOINT_BYTES = 256 * 1024 * 1024
CACHE_KIB = 32_768
_UNIQUE = re.compile(r"UNIQUE constraint failed: (?:index '(?P<index>\w+)'|(?P<columns>[\w., ]+))")
_CHECK = re.compile(r"CHECK constraint failed: (?P<name>\w+)")


def open_connection(path: Path | str, *, readonly: bool = False, runs_checkpoints: bool = False) -> sqlite3.Connection:
    """A plain connection with Stocky's settings, without Python's own transaction handling."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    connection.create_function("fold", 1, fold, deterministic=True)
    for pragma in pragmas(readonly=readonly):
        connection.execute(pragma)
    if not readonly:
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        # Only the server's writer runs checkpoints, also while commands write to the file: before 3.51.3, those of two
        # connections could lose a commit.
        pages = CHECKPOINT_BYTES // page_size if runs_checkpoints else 0
        connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")
    return connection


def fold(text: str | None) -> str | None:
    """Text in lower case, in every script: a SQL function, since SQLite's own lower() handles only ASCII."""
    return text if text is None else text.lower()


def pragmas(*, readonly: bool) -> list[str]:
    """The settings of connections to any file. synchronous=FULL makes a commit survive a power cut in WAL mode."""
    settings = [
        f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
        "PRAGMA foreign_keys = ON",
        f"PRAGMA cache_size = -{CACHE_KIB}",
        "PRAGMA temp_store = MEMORY",
    ]
    if readonly:
        # A reader must never run a checkpoint: before 3.51.3 that race could lose a commit.
        return [*settings, "PRAGMA query_only = ON", "PRAGMA wal_autocheckpoint = 0"]
    return [*settings, "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"]


@lru_cache(maxsize=256)
def encode_time(moment: datetime) -> str:
    """`2026-01-31T12:00:00.000000Z`: one width, so that text order is time order. Raises Invalid."""
    try:
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    except OverflowError as error:
        raise Invalid(f"{moment.isoformat()} cannot be converted to UTC") from error


def register_time_formats() -> None:
    """Registers the adapters of times with the driver. It calls them for these types only."""
    sqlite3.register_adapter(datetime, encode_time)
    sqlite3.register_adapter(date, date.isoformat)


register_time_formats()


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translates SQLite's errors to Stocky's."""
    try:
        yield
    except sqlite3.Error as error:
        raise domain_error(error) from error


def domain_error(error: sqlite3.Error) -> Exception:
    """The domain error for a driver's error; an error that means a defect in Stocky is returned unchanged."""
    text = str(error)
    if unique := _UNIQUE.match(text):
        return Conflict.of(unique["index"] or _constraint_name(unique["columns"]))
    if check := _CHECK.match(text):
        return Invalid.of(check["name"])
    if "FOREIGN KEY constraint failed" in text:
        return Conflict("It references something that does not exist, or something still references it")
    if "disk is full" in text or "disk I/O error" in text:
        return OutOfSpace()
    if "is locked" in text or "is busy" in text:
        return Unavailable("Another program has the database locked; try again")
    if "unable to open" in text or "readonly" in text:
        return Unavailable("The database file cannot be opened for writing; check the data directory and its owner")
    if "malformed" in text or "not a database" in text:
        return Unavailable(f"The database file is damaged ({text}); restore a backup", retry_after=60)
    return error


def _constraint_name(columns: str) -> str:
    """The index name on both dialects: `item__upc__x` for `item.upc, item.x`."""
    parts = [part.strip().split(".") for part in columns.split(",")]
    return "__".join([parts[0][0], *(column for _, column in parts)])

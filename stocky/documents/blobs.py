"""The document store, on disk or S3-compatible; each content is stored completely under its SHA-256 or not at all.

Stored content never changes, since different content has a different name. The event loop uses the async methods;
child processes and threads use the methods whose names end in `_now`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stocky import clock
from stocky.config import BlobSettings
from stocky.disk import sync_directory
from stocky.errors import OutOfSpace, Unavailable
from stocky.object_store import PART, SettingNames, describe_failure, is_full, lacks_bucket, open_s3

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SHA256 = re.compile(r"[0-9a-f]{64}")
CONTENTS, THUMBNAILS = "contents", "thumbnails"
# Bytes read at once and held in memory, per reader.
PIECE = 2**20
# The age at which a partial file of a killed process is deleted.
PARTIAL_FILE_AGE = timedelta(days=1)
_ABSENT = FileNotFoundError
_NAMES = SettingNames("STOCKY_BLOB_URL", "STOCKY_S3")
# Always empty, so that listing it is one short response.
_EMPTY_PREFIX = f"{CONTENTS}/nowhere/"


class Blob(msgspec.Struct, frozen=True):
    """A content in the store. `stored_at` is when it was last stored."""

    sha256: str
    size_bytes: int
    stored_at: datetime


class Blobs:
    """One document store. Every method raises Unavailable when it cannot be reached, OutOfSpace when it is full."""

    def __init__(self, settings: BlobSettings) -> None:
        self._settings = settings
        self._directory = Path(settings.url.removeprefix("file://")) if settings.url.startswith("file://") else None

    @cached_property
    def _store(self) -> ObjectStore:
        if self._directory is None:
            return open_s3(self._settings, timeout=timedelta(seconds=60))
        # Imported here: few requests need it, and the import would slow every start.
        from obstore.store import LocalStore

        with _store_errors():
            return LocalStore(self._directory, mkdir=True)

    async def find_size(self, sha256: str) -> int | None:
        """The size of the content in bytes; None when it is missing."""
        import obstore

        path = _path(CONTENTS, sha256)
        try:
            with _store_errors(may_lack=True):
                found = await obstore.head_async(await self._open(), path)
        except _ABSENT:
            # A HEAD gives the same response for a missing bucket.
            await self.check_usable()
            return None
        return int(found["size"])

    async def read(self, sha256: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Yields `length` bytes of a content from `start`, in pieces, as fast as the reader takes them."""
        import obstore

        path = _path(CONTENTS, sha256)
        with _missing_is_unavailable():
            store = await self._open()
        for begin in range(start, start + length, PIECE):
            with _store_errors(), _missing_is_unavailable():
                # One request per piece: no request stays open while a slow reader takes a piece.
                piece = await obstore.get_range_async(store, path, start=begin, end=min(begin + PIECE, start + length))
            yield bytes(piece)

    async def put(self, sha256: str, file: Path) -> None:
        """Stores the content of a file; it is durable when this returns."""
        await asyncio.to_thread(self.put_now, CONTENTS, sha256, file)

    async def put_thumbnail(self, sha256: str, file: Path) -> None:
        """Stores the thumbnail of a content."""
        await asyncio.to_thread(self.put_now, THUMBNAILS, sha256, file)

    async def find_thumbnail(self, sha256: str) -> bytes | None:
        """The thumbnail of a content; None when it is missing."""
        import obstore

        try:
            with _store_errors(may_lack=True):
                found = await obstore.get_async(await self._open(), _path(THUMBNAILS, sha256))
                return bytes(await found.bytes_async())
        except _ABSENT:
            return None

    async def remove(self, sha256: str) -> None:
        """Deletes a content and its thumbnail; does nothing when they are missing."""
        import obstore

        for path in (_path(THUMBNAILS, sha256), _path(CONTENTS, sha256)):
            with suppress(_ABSENT), _store_errors(may_lack=True):
                await obstore.delete_async(await self._open(), path)

    async def list(self) -> AsyncIterator[list[Blob]]:
        """Yields all contents, in pages of up to 500 and in no order."""
        import obstore

        try:
            pages = obstore.list(await self._open(), prefix=f"{CONTENTS}/", chunk_size=500)
        except _ABSENT:
            return
        while True:
            with _store_errors():
                try:
                    page = await anext(pages)
                except StopAsyncIteration:
                    return
            yield [
                Blob(name, each["size"], each["last_modified"])
                for each in page
                if SHA256.fullmatch(name := each["path"].rpartition("/")[2])
            ]

    async def fetch(self, sha256: str, file: Path) -> bool:
        """Writes a content to a file; False when it is missing."""
        return await asyncio.to_thread(self._fetch_now, sha256, file)

    async def check_usable(self) -> None:
        """Checks the store with one request, or the directory on disk. Raises Unavailable when it cannot be used."""
        if self._directory is not None:
            await asyncio.to_thread(_check_directory, self._directory)
            return
        store = await self._open()
        import obstore

        with _store_errors():
            await anext(obstore.list(store, prefix=_EMPTY_PREFIX), None)

    async def remove_partial_files(self) -> None:
        """Deletes partial files of killed processes on disk; an S3 store does this itself."""
        if self._directory is not None:
            await asyncio.to_thread(_remove_partial_files, self._directory)

    def put_now(self, kind: str, sha256: str, content: Path | Iterable[bytes]) -> None:
        """Stores `content`, for threads and child processes. When `content` raises, nothing is stored."""
        import obstore

        path = _path(kind, sha256)
        with _store_errors():
            # Two parts are uploaded at a time.
            obstore.put(self._store, path, content, chunk_size=PART, max_concurrency=2)
            if self._directory is not None:
                _to_disk(self._directory / path)

    def read_now(self, sha256: str) -> Iterator[bytes] | None:
        """The content in pieces, for child processes; None when it is missing."""
        import obstore

        path = _path(CONTENTS, sha256)
        try:
            with _store_errors(may_lack=True):
                store = self._open_now()
                size = obstore.head(store, path)["size"]
        except _ABSENT:
            if self._directory is None:
                with _store_errors():
                    next(obstore.list(store, prefix=_EMPTY_PREFIX), None)
            return None
        return _pieces(store, path, size)

    def _fetch_now(self, sha256: str, file: Path) -> bool:
        pieces = self.read_now(sha256)
        if pieces is None:
            return False
        with file.open("wb") as target:
            for piece in pieces:
                target.write(piece)
        return True

    async def _open(self) -> ObjectStore:
        return self._store if "_store" in self.__dict__ else await asyncio.to_thread(self._open_now)

    def _open_now(self) -> ObjectStore:
        """The store to read from. Raises FileNotFoundError for a missing directory: only storing creates it."""
        if "_store" not in self.__dict__ and self._directory is not None and not self._directory.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._directory))
        return self._store


def _pieces(store: Any, path: str, size: int) -> Iterator[bytes]:
    import obstore

    for begin in range(0, size, PIECE):
        with _store_errors(), _missing_is_unavailable():
            piece = obstore.get_range(store, path, start=begin, end=min(begin + PIECE, size))
        yield bytes(piece)


def _path(kind: str, sha256: str) -> str:
    # It may come from a forged dump.
    if not SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r} is no SHA-256")
    return f"{kind}/{sha256[:2]}/{sha256}"


@contextmanager
def _store_errors(*, may_lack: bool = False) -> Iterator[None]:
    """Translates store errors into ours; with `may_lack`, lets FileNotFoundError for missing content through."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        text = str(error)
        if may_lack and isinstance(error, _ABSENT) and not lacks_bucket(text):
            raise
        if is_full(text):
            raise OutOfSpace(
                "Not enough space in the document store; nothing was changed. Free some and try again"
            ) from error
        raise _unusable(text) from error


def _unusable(text: str) -> Unavailable:
    return Unavailable(f"The document store cannot be used now: {describe_failure(text, _NAMES)}", retry_after=10)


def _check_directory(directory: Path) -> None:
    """Raises Unavailable for a directory that cannot be written or created. Only storing a document creates it."""
    try:
        existing = next(each for each in (directory, *directory.parents) if each.exists())
        os.scandir(existing).close()
        if not os.access(existing, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unusable(f"(os error {error.errno})") from error


@contextmanager
def _missing_is_unavailable() -> Iterator[None]:
    try:
        yield
    except _ABSENT as error:
        raise Unavailable("The content disappeared from the document store while it was read") from error


def _to_disk(file: Path) -> None:
    """Makes a file and its directory entry survive a power cut."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(file.parent)
    sync_directory(file.parent.parent)


def _remove_partial_files(directory: Path) -> None:
    before = (clock.now() - PARTIAL_FILE_AGE).timestamp()
    for file in directory.glob("*/??/*#*"):
        with suppress(OSError):
            if file.stat().st_mtime < before:
                file.unlink()

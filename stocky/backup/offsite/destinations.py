"""Reads and writes files at an off-site destination, a bucket or a directory; a name holds a whole file or nothing.

Everything here blocks, and is called in threads and child processes. A directory is never created: while a share is
not mounted, its copies would land on the local disk.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stocky.config import BlobSettings
from stocky.disk import sync_directory
from stocky.errors import NotFound, OutOfSpace, StockyError, Unavailable
from stocky.object_store import PART, SettingNames, describe_failure, is_full, lacks_bucket, open_s3

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Store

# Bytes read at once: one request of S3 each.
PIECE = 4 * 2**20
# S3 takes 10,000 parts; larger files have larger parts.
_MOST_PARTS = 9_000
# A part of PART bytes passes within this at 20 KiB/s.
_REQUEST = timedelta(seconds=270)
# Lists and metadata are small.
_SMALL_REQUEST = timedelta(seconds=20)
# Metadata of a backup has a row for each table.
MAX_SMALL = 2**20
_PARTIAL_PREFIX, _PARTIAL_SUFFIX = ".stocky-", ".part"
_PARTIAL_SECONDS = 86_400
# ENXIO is the answer of a socket.
_NO_FILE = frozenset({errno.ENOENT, errno.ELOOP, errno.ENXIO})
_NAMES = SettingNames("STOCKY_OFFSITE_URL", "STOCKY_OFFSITE_S3")


class Destination(ABC):
    """One destination. Every method raises Unavailable when it cannot be used, OutOfSpace when it is full."""

    def __init__(self, settings: BlobSettings) -> None:
        self.url = settings.url

    @abstractmethod
    def put(self, name: str, pieces: Iterable[bytes], size: int) -> None:
        """Stores `size` bytes under this name, durably. What `pieces` raises is raised, and then nothing is stored."""

    @abstractmethod
    def read(self, name: str) -> Iterator[bytes]:
        """The content in pieces, from the destination itself and no cache. Raises NotFound."""

    @abstractmethod
    def list_sizes(self) -> dict[str, int]:
        """The sizes of all files by name, without those in directories."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Deletes a file; does nothing when there is none."""

    @abstractmethod
    def read_small(self, name: str) -> bytes | None:
        """The content of a small file; None when there is none, or when it is not small."""

    @abstractmethod
    def clean_up(self) -> None:
        """Deletes the partial files of killed processes."""

    def _unusable(self, text: str) -> StockyError:
        if is_full(text):
            return OutOfSpace(f"Not enough space in {self.url}; free some, or raise its limit")
        return Unavailable(f"{self.url} cannot be used now: {describe_failure(text, _NAMES)}", retry_after=60)

    def _absent(self, name: str) -> NotFound:
        return NotFound(f"There is no {name} in {self.url}")


def open_destination(settings: BlobSettings) -> Destination:
    """The destination at the address in `settings`."""
    return _Directory(settings) if settings.url.startswith("file://") else _Bucket(settings)


class _Bucket(Destination):
    def __init__(self, settings: BlobSettings) -> None:
        super().__init__(settings)
        self._settings = settings

    @cached_property
    def _store(self) -> S3Store:
        return open_s3(self._settings, timeout=_REQUEST)

    @cached_property
    def _small(self) -> S3Store:
        return open_s3(self._settings, timeout=_SMALL_REQUEST)

    def put(self, name: str, pieces: Iterable[bytes], size: int) -> None:
        import obstore

        source = _Source(pieces)
        try:
            with self._errors():
                # One part at a time, so that a slow line needs no longer for it than a request may take.
                obstore.put(self._store, name, source, chunk_size=max(PART, -(-size // _MOST_PARTS)), max_concurrency=1)
        except StockyError:
            if source.error is not None:
                raise source.error from None
            raise

    def read(self, name: str) -> Iterator[bytes]:
        import obstore

        try:
            with self._errors(may_lack=True):
                size = obstore.head(self._small, name)["size"]
        except FileNotFoundError as error:
            # A HEAD gives the same response for a missing bucket.
            self._list_all()
            raise self._absent(name) from error
        for begin in range(0, size, PIECE):
            with self._errors():
                piece = obstore.get_range(self._store, name, start=begin, end=min(begin + PIECE, size))
            yield bytes(piece)

    def read_small(self, name: str) -> bytes | None:
        import obstore

        with suppress(FileNotFoundError), self._errors(may_lack=True):
            found = obstore.get(self._small, name)
            if found.meta["size"] <= MAX_SMALL:
                return bytes(found.bytes())
        return None

    def list_sizes(self) -> dict[str, int]:
        return {each["path"].rpartition("/")[2]: each["size"] for each in self._list_all()}

    def remove(self, name: str) -> None:
        import obstore

        with suppress(FileNotFoundError), self._errors(may_lack=True):
            obstore.delete(self._small, name)

    def clean_up(self) -> None:
        """No-op: a partial upload is invisible, and the store deletes it by a rule of the bucket."""

    def _list_all(self) -> Sequence[ObjectMeta]:
        import obstore

        with self._errors():
            return obstore.list_with_delimiter(self._small)["objects"]

    @contextmanager
    def _errors(self, *, may_lack: bool = False) -> Iterator[None]:
        """Translates errors of the store; with `may_lack`, lets FileNotFoundError for a missing object through."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            text = str(error)
            if may_lack and isinstance(error, FileNotFoundError) and not lacks_bucket(text):
                raise
            raise self._unusable(text) from error


class _Source:
    """Passes the pieces on, and remembers the error that ended them: the store reports it as one of its own."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self.error: Exception | None = None

    def __iter__(self) -> _Source:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except StopIteration:
            raise
        except Exception as error:
            self.error = error
            raise


class _Directory(Destination):
    def __init__(self, settings: BlobSettings) -> None:
        super().__init__(settings)
        self._directory = Path(settings.url.removeprefix("file://"))

    def put(self, name: str, pieces: Iterable[bytes], size: int) -> None:
        with self._errors():
            free = shutil.disk_usage(self._directory).free
            if free < size:
                raise OutOfSpace(
                    f"Not enough space in {self.url}: {size // 2**20 + 1} MiB are needed, {free // 2**20} MiB are free"
                )
            # Readable by its owner only.
            descriptor, partial = tempfile.mkstemp(_PARTIAL_SUFFIX, _PARTIAL_PREFIX, self._directory)
            try:
                with open(descriptor, "wb") as file:
                    for piece in pieces:
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
                Path(partial).replace(self._directory / name)
            except BaseException:
                with suppress(OSError):
                    Path(partial).unlink(missing_ok=True)
                raise
            sync_directory(self._directory)

    def read(self, name: str) -> Iterator[bytes]:
        with self._errors():
            self._directory.stat()
            try:
                # Opening a pipe would block, and a link leads elsewhere.
                descriptor = os.open(self._directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError as error:
                if error.errno not in _NO_FILE:
                    raise
                raise self._absent(name) from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise self._absent(name)
            # What was just written is read from the disk or the share, not from memory.
            with suppress(OSError):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            while True:
                with self._errors():
                    piece = os.read(descriptor, PIECE)
                if not piece:
                    return
                yield piece
        finally:
            os.close(descriptor)

    def read_small(self, name: str) -> bytes | None:
        content = b""
        try:
            for piece in self.read(name):
                content += piece
                if len(content) > MAX_SMALL:
                    return None
        except NotFound:
            return None
        return content

    def list_sizes(self) -> dict[str, int]:
        sizes = {}
        with self._errors(), os.scandir(self._directory) as entries:
            for each in entries:
                # It may be deleted meanwhile.
                with suppress(FileNotFoundError):
                    if each.is_file(follow_symlinks=False):
                        sizes[each.name] = each.stat(follow_symlinks=False).st_size
        return sizes

    def remove(self, name: str) -> None:
        with self._errors():
            self._directory.stat()
            (self._directory / name).unlink(missing_ok=True)

    def clean_up(self) -> None:
        before = time.time() - _PARTIAL_SECONDS
        for file in self._directory.glob(f"{_PARTIAL_PREFIX}*{_PARTIAL_SUFFIX}"):
            with suppress(OSError):
                if file.stat().st_mtime < before:
                    file.unlink()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise Unavailable(
                f"{self._directory} does not exist; mount the share and create the directory on it, or correct"
                " STOCKY_OFFSITE_URL",
                retry_after=60,
            ) from error
        except OSError as error:
            raise self._unusable(f"(os error {error.errno})") from error

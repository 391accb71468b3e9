"""Copies a backup to a destination, fetches one, and lists them; runs in a child process, with a few MiB of memory.

A copy counts only after it was read back whole and its SHA-256 is that of the backup.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import msgspec

from stocky import clock
from stocky.backup.dump.making import open_owner_only
from stocky.backup.offsite.copies import (
    list_copies,
    read_copy,
    remove_copies,
    remove_leftovers,
    withdraw_metadata,
    write_metadata,
)
from stocky.backup.offsite.destinations import PIECE, Destination, open_destination
from stocky.backup.offsite.policy import OffsitePolicy
from stocky.backup.store import StoredBackup
from stocky.config import BlobSettings, OffsiteSettings
from stocky.disk import require_space
from stocky.errors import BadRequest, Conflict, NotFound, Unavailable
from stocky.progress import ProgressCallback, ignore_progress
from stocky.worker.messages import Request


class CopyRequest(Request, frozen=True, kw_only=True):
    """Copy the `file` of `backup` to the destination."""

    entry: ClassVar[str] = "stocky.backup.offsite.transfer:copy"
    destination: BlobSettings
    file: str
    backup: StoredBackup


class DescribeRequest(Request, frozen=True, kw_only=True):
    """Write the metadata of `backup`, which has a good copy at the destination, once more; `file` was tested."""

    entry: ClassVar[str] = "stocky.backup.offsite.transfer:describe"
    destination: BlobSettings
    file: str
    backup: StoredBackup


class FetchRequest(Request, frozen=True, kw_only=True):
    """Fetch the file `name` to `output`; with `sha256`, only if it has that one."""

    entry: ClassVar[str] = "stocky.backup.offsite.transfer:fetch"
    destination: BlobSettings
    name: str
    output: str
    sha256: str | None = None


class ListRequest(Request, frozen=True, kw_only=True):
    """List the good copies at the destination; with `keep`, first delete those that its retention does not keep.

    The list is the data on standard output: of thousands of copies it is longer than a result may be.
    """

    entry: ClassVar[str] = "stocky.backup.offsite.transfer:list_or_tidy"
    destination: BlobSettings
    keep: int | None = None


class Tidied(msgspec.Struct, frozen=True):
    """How many copies were deleted before the others were listed."""

    removed: int = 0


class Transferred(msgspec.Struct, frozen=True):
    """What was copied or fetched."""

    size_bytes: int
    sha256: str


def copy(request: CopyRequest, report: ProgressCallback) -> Transferred:
    """Handles a CopyRequest.

    Raises Unavailable or OutOfSpace when the destination cannot be used, or what it returns differs from the backup.
    The backup itself may be damaged (BadRequest), deleted (NotFound), or its name taken there (Conflict).
    """
    destination, backup = open_destination(request.destination), request.backup
    assert backup.sha256 is not None
    destination.clean_up()
    there = read_copy(destination, backup.filename)
    if there is not None and there.sha256 != backup.sha256:
        raise Conflict(
            f"{destination.url} holds another backup named {backup.filename}; give each Stocky a directory or a prefix"
            " of its own"
        )
    if there is None or not _is_equal(destination, backup, report):
        if there is not None:
            # What is replaced is not a good copy from here on.
            withdraw_metadata(destination, backup.filename)
        destination.put(backup.filename, _local_pieces(Path(request.file), backup, report), backup.size_bytes)
        if not _is_equal(destination, backup, report):
            raise Unavailable(
                f"{destination.url} does not return {backup.filename} as it was sent; it is sent again", retry_after=60
            )
    elif _verdict(there) != _verdict(backup) and not _is_as_made(Path(request.file), backup):
        # What was test-restored is not what was copied.
        return Transferred(backup.size_bytes, backup.sha256)
    write_metadata(destination, backup, clock.now())
    return Transferred(backup.size_bytes, backup.sha256)


def describe(request: DescribeRequest, report: ProgressCallback) -> None:
    """Handles a DescribeRequest. Raises Unavailable or OutOfSpace; NotFound when there is no such copy any more.

    A file that was damaged after it was copied says nothing of the copy: BadRequest, and the metadata there stays.
    """
    destination, backup = open_destination(request.destination), request.backup
    there = read_copy(destination, backup.filename)
    if there is None or there.sha256 != backup.sha256:
        raise NotFound(f"There is no copy of {backup.filename} in {destination.url} any more")
    if not _is_as_made(Path(request.file), backup):
        raise BadRequest(
            f"{request.file} is damaged: its SHA-256 is not the one it was made with. The result of its test restore is"
            f" not written beside its copy in {destination.url}; fetch that copy"
        )
    copied_at = backup.offsite[destination.url].copied_at
    assert copied_at is not None
    write_metadata(destination, backup, copied_at)


def list_or_tidy(request: ListRequest, report: ProgressCallback) -> Tidied:
    """Handles a ListRequest: writes the copies, newest first, as their metadata says. Raises Unavailable."""
    destination = open_destination(request.destination)
    copies = list_copies(destination)
    if request.keep is None:
        _write_list(copies)
        return Tidied()
    report("tidying up", 0, None, "files")
    superfluous = OffsitePolicy(OffsiteSettings(keep=request.keep)).list_superfluous(copies)
    remove_copies(destination, superfluous)
    if request.keep:
        remove_leftovers(destination)
    names = {each.filename for each in superfluous}
    _write_list([each for each in copies if each.filename not in names])
    return Tidied(len(names))


def _write_list(copies: list[StoredBackup]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(copies))
    sys.stdout.buffer.flush()


def fetch(request: FetchRequest, report: ProgressCallback) -> Transferred:
    """Handles a FetchRequest. Raises NotFound, BadRequest for a damaged copy, Unavailable or OutOfSpace."""
    destination, output = open_destination(request.destination), Path(request.output)
    size = destination.list_sizes().get(request.name)
    if size is None:
        raise NotFound(f"There is no {request.name} in {destination.url}")
    require_space(output.parent, size)
    digest, done = hashlib.sha256(), 0
    with open(output, "wb", opener=open_owner_only) as file:
        for piece in destination.read(request.name):
            digest.update(piece)
            file.write(piece)
            done += len(piece)
            report("fetching", done, size, "bytes")
        file.flush()
        os.fsync(file.fileno())
    if request.sha256 not in (None, digest.hexdigest()):
        raise BadRequest(f"{request.name} in {destination.url} is damaged: its SHA-256 is not the one it was made with")
    return Transferred(done, digest.hexdigest())


def _local_pieces(path: Path, backup: StoredBackup, report: ProgressCallback) -> Iterator[bytes]:
    digest, done = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                done += len(piece)
                if done >= backup.size_bytes and digest.hexdigest() != backup.sha256:
                    # Before the last piece is passed on, so that nothing is stored.
                    raise BadRequest(f"{path} is damaged: its SHA-256 is not the one it was made with")
                yield piece
                report("uploading", done, backup.size_bytes, "bytes")
    except FileNotFoundError as error:
        raise NotFound(f"{path} was deleted before it was copied") from error
    except OSError as error:
        raise BadRequest(
            f"{path} cannot be read ({os.strerror(error.errno or 0)}); check its owner and the disk"
        ) from error
    if done < backup.size_bytes:
        raise BadRequest(f"{path} is damaged: it is shorter than it was made")


def _verdict(backup: StoredBackup) -> tuple[datetime | None, list[str]]:
    return backup.verified_at, backup.problems


def _is_as_made(path: Path, backup: StoredBackup) -> bool:
    """Whether the stored file still has the content it was made with. Raises NotFound."""
    try:
        for _ in _local_pieces(path, backup, ignore_progress):
            pass
    except BadRequest:
        return False
    return True


def _is_equal(destination: Destination, backup: StoredBackup, report: ProgressCallback) -> bool:
    """Whether the destination returns exactly the content of the backup."""
    digest, done = hashlib.sha256(), 0
    try:
        for piece in destination.read(backup.filename):
            digest.update(piece)
            done += len(piece)
            report("reading back", done, backup.size_bytes, "bytes")
            if done > backup.size_bytes:
                return False
    except NotFound:
        return False
    return done == backup.size_bytes and digest.hexdigest() == backup.sha256

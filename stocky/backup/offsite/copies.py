"""The copies at one destination: the file of a backup, and beside it its metadata, which is what makes it a good copy.

The metadata is written last, after the file was read back whole and found equal; it is removed last, too. A file
without it, or of another size, is not a copy. Everything here blocks.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime

import msgspec

from stocky.backup.offsite.destinations import Destination
from stocky.backup.store import Kind, OffsiteCopy, StoredBackup, newest_first, own_id

# Metadata files that are read at once.
_AT_ONCE = 8
_METADATA = ".json"


def metadata_name(filename: str) -> str:
    """The name of the metadata of a copy."""
    return f"{filename}{_METADATA}"


def list_copies(destination: Destination) -> list[StoredBackup]:
    """The good copies at the destination, newest first. Raises Unavailable."""
    sizes = destination.list_sizes()
    names = [name for name in sizes if own_id(name) is not None and metadata_name(name) in sizes]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = threads.map(lambda name: read_copy(destination, name), names)
        copies = [each for each in found if each is not None and sizes[each.filename] == each.size_bytes]
    return newest_first(copies)


def read_copy(destination: Destination, filename: str) -> StoredBackup | None:
    """The metadata of the copy under this name, None where it is missing or not Stocky's. Raises Unavailable."""
    content = destination.read_small(metadata_name(filename))
    if content is None:
        return None
    with suppress(msgspec.DecodeError, msgspec.ValidationError):
        found = msgspec.json.decode(content, type=StoredBackup)
        is_right = found.filename == filename and found.id == own_id(filename) and found.kind is kind_of(filename)
        if is_right and found.sha256 is not None:
            return found
    return None


def write_metadata(destination: Destination, backup: StoredBackup, copied_at: datetime) -> None:
    """Writes the metadata of a copy that is known to be equal to the backup. Raises Unavailable, OutOfSpace."""
    copy = OffsiteCopy(copied_at=copied_at, tested_at=backup.verified_at)
    described = msgspec.structs.replace(backup, expires_at=None, offsite={destination.url: copy})
    content = msgspec.json.format(msgspec.json.encode(described))
    destination.put(metadata_name(backup.filename), [content], len(content))


def remove_copies(destination: Destination, copies: list[StoredBackup]) -> None:
    """Deletes these copies, and no other file. Raises Unavailable."""
    for each in copies:
        destination.remove(each.filename)
        destination.remove(metadata_name(each.filename))


def kind_of(filename: str) -> Kind:
    """The kind of a backup under one of the names that Stocky gives."""
    return Kind.ARCHIVE if filename.endswith(".zip") else Kind.SQL

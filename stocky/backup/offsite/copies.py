"""The copies at one destination: the file of a backup, and beside it its metadata, which is what makes it a good copy.

The metadata is written last, after the file was read back whole and found equal; it is removed last, too. A file
without it, or of another size, is not a copy. Everything here blocks.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from stocky.backup.offsite.destinations import Destination
from stocky.backup.store import OffsiteCopy, StoredBackup, kind_of, newest_first, own_id, own_moment
from stocky.damaged_json import DAMAGED_JSON

# Metadata files that are read at once.
_AT_ONCE = 8
_METADATA = ".json"
# A backup is named when it is asked for, and dated when it begins.
_NAMED_WITHIN = timedelta(days=1)


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
    with suppress(*DAMAGED_JSON):
        found = msgspec.json.decode(content, type=StoredBackup)
        is_right = found.filename == filename and found.id == own_id(filename) and found.kind is kind_of(filename)
        if is_right and found.sha256 is not None and _is_dated_as_named(found):
            return found
    return None


def write_metadata(destination: Destination, backup: StoredBackup, copied_at: datetime) -> None:
    """Writes the metadata of a copy that is known to be equal to the backup. Raises Unavailable, OutOfSpace."""
    copy = OffsiteCopy(copied_at=copied_at, tested_at=backup.verified_at)
    described = msgspec.structs.replace(backup, expires_at=None, offsite={destination.url: copy})
    named = own_moment(backup.filename)
    if named is not None and not _is_dated_as_named(backup):
        # The clock was set between the choice of the name and the backup; retention would trust a wrong date.
        described = msgspec.structs.replace(described, created_at=named)
    content = msgspec.json.format(msgspec.json.encode(described))
    destination.put(metadata_name(backup.filename), [content], len(content))


def withdraw_metadata(destination: Destination, filename: str) -> None:
    """Overwrites the metadata of a copy that is not good: the keys may not delete. Raises Unavailable, OutOfSpace."""
    content = b"{}"
    destination.put(metadata_name(filename), [content], len(content))


def remove_copies(destination: Destination, copies: list[StoredBackup]) -> None:
    """Deletes these copies, and no other file. Raises Unavailable."""
    for each in copies:
        destination.remove(each.filename)
        destination.remove(metadata_name(each.filename))


def remove_leftovers(destination: Destination) -> None:
    """Deletes metadata whose file is gone: a process was killed while it deleted the copy. Raises Unavailable."""
    sizes = destination.list_sizes()
    for name in sizes:
        filename = name.removesuffix(_METADATA)
        is_alone = filename != name and filename not in sizes and own_id(filename) is not None
        # Only Stocky's, never another file.
        if is_alone and read_copy(destination, filename) is not None:
            destination.remove(name)


def _is_dated_as_named(backup: StoredBackup) -> bool:
    named = own_moment(backup.filename)
    return named is not None and abs(backup.created_at - named) <= _NAMED_WITHIN

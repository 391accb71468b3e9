"""What is known of each off-site destination since it was last reached, in a file among the stored backups.

The copies of manual backups outlast the backups themselves, so their age cannot be read from the local store.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from stocky import clock
from stocky.backup.dump.making import open_owner_only
from stocky.damaged_json import DAMAGED_JSON
from stocky.disk import disk_errors, sync_directory
from stocky.worker.workspace import scratch_directory

# A name that the store does not list.
STATE_FILE = ".offsite.json"
FIRST_PAUSE = timedelta(seconds=30)
# A new backup waits no longer than this for a destination that works again.
LONGEST_PAUSE = timedelta(minutes=15)
# The copies are listed at least this often, to notice those that others deleted.
LISTED_EVERY = timedelta(days=1)

# A time without zone, which only a damaged file has, cannot be compared.
_Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class DestinationState(msgspec.Struct, frozen=True, kw_only=True):
    """One destination: its copies when they were last listed, and why it cannot be used since then, if so.

    `newest` and `newest_good` are when the newest copied backup was made, and the newest test-restored one. An
    increment counts only with all that it continues.
    """

    listed_at: _Aware | None = None
    copies: int = 0
    size_bytes: int = 0
    newest: _Aware | None = None
    newest_good: _Aware | None = None
    error: str | None = None
    failures: int = 0
    next_at: _Aware | None = None

    @property
    def must_wait(self) -> bool:
        """Whether the pause after a failure still lasts."""
        now = clock.now()
        # A longer one was set by a clock that was ahead.
        return self.next_at is not None and now < self.next_at <= now + LONGEST_PAUSE

    @property
    def is_stale(self) -> bool:
        """Whether the copies are to be listed again."""
        now = clock.now()
        return self.listed_at is None or not now - LISTED_EVERY < self.listed_at <= now + clock.SKEW

    def failed(self, error: str) -> DestinationState:
        """The state after a failure, with a longer pause after each."""
        pause = min(FIRST_PAUSE * 2 ** min(self.failures, 10), LONGEST_PAUSE)
        return msgspec.structs.replace(self, error=error, failures=self.failures + 1, next_at=clock.now() + pause)


def read_states(directory: Path) -> dict[str, DestinationState]:
    """The states by the addresses of the destinations; those never reached are missing. Blocks."""
    with suppress(OSError, *DAMAGED_JSON):
        return msgspec.json.decode((directory / STATE_FILE).read_bytes(), type=dict[str, DestinationState])
    return {}


def write_states(directory: Path, states: dict[str, DestinationState]) -> None:
    """Replaces the file. Blocks; raises OutOfSpace or Unavailable."""
    with disk_errors(), scratch_directory(directory) as scratch:
        made = scratch / STATE_FILE
        with open(made, "wb", opener=open_owner_only) as file:
            file.write(msgspec.json.encode(states))
            file.flush()
            os.fsync(file.fileno())
        made.replace(directory / STATE_FILE)
    sync_directory(directory)

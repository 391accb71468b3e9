"""Scratch space for commands that only read: whatever directory they need is gone again when they end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stocky.config import Config


@contextmanager
def scratch_space(config: Config) -> Iterator[Config]:
    """The settings for a command that only reads, for the length of the block.

    Where there is no data directory, scratch files lie in the system's temporary directory.
    """
    import msgspec

    if not config.data_dir.is_dir() and not config.backup_dir.is_dir():
        yield msgspec.structs.replace(config, backup_dir=Path(tempfile.gettempdir()))
        return
    missing = [each for each in (config.backup_dir, *config.backup_dir.parents) if not each.exists()]
    try:
        yield config
    finally:
        for directory in missing:
            # One that holds something by now is wanted by someone.
            with suppress(OSError):
                directory.rmdir()

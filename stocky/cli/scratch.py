"""Scratch space for commands that only read: directories they create are removed when they end."""

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
    """The settings for a command that only reads, valid until the end of the block.

    Without a data directory, scratch files are in the system's temporary directory.
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
            # A directory that is not empty by now is in use.
            with suppress(OSError):
                directory.rmdir()

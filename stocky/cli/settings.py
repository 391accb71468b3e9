"""The settings of a command, and scratch space for a command that only reads: removed when it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stocky.config import Config


def load_settings(environ: Mapping[str, str] | None = None) -> Config:
    """As `config.load`; reports unknown settings on standard error. Raises ConfigError."""
    from stocky.config import load

    config = load(environ)
    for line in config.unknown:
        print(f"stocky: {line}", file=sys.stderr)
    return config


@contextmanager
def scratch_space(config: Config) -> Iterator[Config]:
    """The settings for a command that only reads, valid until the end of the block.

    Without a data directory, scratch files are in the system's temporary directory.
    """
    import tempfile

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

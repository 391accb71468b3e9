"""The settings as every command but `serve`, which has a log for it, reads them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stocky.config import Config


def load_settings(environ: Mapping[str, str] | None = None) -> Config:
    """As `config.load`; names on standard error what looks like a setting and is none. Raises ConfigError."""
    from stocky.config import load

    config = load(environ)
    for line in config.unknown:
        print(f"stocky: {line}", file=sys.stderr)
    return config

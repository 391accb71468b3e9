"""Reads the settings for every command except `serve`, which logs unknown ones."""

from __future__ import annotations

import sys
from collections.abc import Mapping
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

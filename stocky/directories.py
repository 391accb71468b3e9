"""Checks that Stocky can write its directories, and suggests the command to fix it. Read-only."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path


def find_unwritable(wanted: Mapping[str, Path]) -> list[str]:
    """A line for each setting whose path cannot be written, except paths below one that is listed already."""
    found: list[tuple[Path, str]] = []
    for name, path in wanted.items():
        why = why_not_writable(path)
        if why is not None and not any(path.is_relative_to(other) for other, _ in found):
            found.append((path, f"{name}: {why}"))
    return [line for _, line in found]


def why_not_writable(path: Path) -> str | None:
    """Why a directory or file, or the directory to create it in, cannot be written; None where it can."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if os.access(there, os.W_OK | (os.X_OK if there.is_dir() else os.R_OK)):
        return None
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        return f"{there} is on a file system that is mounted read-only; mount it writable, or set another path"
    owner = f"{os.getuid()}:{os.getgid()}"
    make = "" if there == path else f"mkdir -p {shlex.quote(str(path))} && "
    return (
        f"{there} cannot be written by this process (uid {os.getuid()}); as an administrator run:"
        f" {make}chown -R {owner} {shlex.quote(str(path))}"
    )

"""Finds backups under foreign names in the backup directory: recognised by their first bytes, addressed by an id.

Only regular files directly in the directory are read: links and subdirectories are never followed.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from stocky.backup.dump.format import TITLE

ID = re.compile(r"found-[0-9a-f]{16}")
_BEGINNING = 64
_ZIP, _GZIP, _BOM = b"PK\x03\x04", b"\x1f\x8b", b"\xef\xbb\xbf"


def id_of(filename: str) -> str:
    """The id of a file of this name; valid in a URL whatever the name is."""
    return f"found-{hashlib.sha256(os.fsencode(filename)).hexdigest()[:16]}"


def suffix_of(file: Path) -> str | None:
    """`.zip` or `.sql`, by the file's first bytes; None for a file that cannot be a backup."""
    if file.name.startswith(".") or not _is_text(file.name):
        return None
    try:
        # Opening a pipe would block, and a link leads elsewhere.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        beginning = os.read(descriptor, _BEGINNING)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    if beginning.startswith(_ZIP):
        return ".zip"
    is_dump = beginning.startswith(_GZIP) or beginning.removeprefix(_BOM).startswith(TITLE.encode())
    return ".sql" if is_dump else None


def _is_text(name: str) -> bool:
    """Whether the name can be sent in a response: not every file name is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

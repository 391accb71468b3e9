"""How an encrypted backup is recognised: by the first line of the age format, and by the suffix of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

SUFFIX = ".age"
INTRO = b"age-encryption.org/v1\n"
# A file that a passphrase opens has this stanza, and no other.
PASSPHRASE_STANZA = b"-> scrypt "
BEGINNING = len(INTRO) + len(PASSPHRASE_STANZA)

Method = Literal["passphrase", "recipients"]


def method_of(beginning: bytes) -> Method | None:
    """How a file that begins with these bytes, at least BEGINNING of them, is encrypted; None where it is not."""
    if not beginning.startswith(INTRO):
        return None
    return "passphrase" if beginning.startswith(PASSPHRASE_STANZA, len(INTRO)) else "recipients"


def method_of_file(file: Path) -> Method | None:
    """How the file is encrypted; None where it is not. Blocks."""
    with file.open("rb") as opened:
        return method_of(opened.read(BEGINNING))

"""Whether a dump that cannot be read is damaged: the checksum in its last line is of all bytes before that."""

from __future__ import annotations

import codecs
import hashlib
from contextlib import closing
from pathlib import Path

from stocky.backup.dump.format import COMPLETE, TITLE, read_footer
from stocky.backup.load.dump_text import Unpacked
from stocky.errors import BadRequest

_CHUNK = 2**20
# More than a last line has.
_TAIL = 2**20
_LAST = b"\n" + COMPLETE.encode()
_CR_LF_TITLE = TITLE.encode() + b"\r\n"

OTHER_CHECKSUM = "The backup is damaged: its text does not match the checksum in its last line"


def refuse_damage(file: Path, max_bytes: int, first: BadRequest) -> None:
    """Raises BadRequest if the file is damaged, with the first error that reading it gave; else does nothing."""
    try:
        is_damaged = _is_damaged(file, max_bytes)
    except BadRequest as error:
        # It is also packed, and unpacking found the damage.
        if error.detail == first.detail:
            return
        raise BadRequest(f"{error.detail}. The first fault: {first.detail}") from first
    if is_damaged:
        raise BadRequest(f"{OTHER_CHECKSUM}. Use an undamaged copy. The first fault: {first.detail}") from first


def _is_damaged(file: Path, max_bytes: int) -> bool:
    """Whether a dump has another checksum than its last line says; False without a title or a last line.

    Raises BadRequest for a file that cannot be unpacked.
    """
    hashed, tail = hashlib.sha256(), b""
    with closing(Unpacked(file, max_bytes)) as source:
        beginning = source.beginning.removeprefix(codecs.BOM_UTF8)
        has_title = beginning.startswith(TITLE.encode())
        if not (has_title or source.layers):
            return False
        has_crlf = beginning.startswith(_CR_LF_TITLE)
        is_first = True
        while chunk := source.read(_CHUNK):
            if is_first:
                chunk, is_first = chunk.removeprefix(codecs.BOM_UTF8), False
            tail += chunk
            if has_crlf:
                # A CR at the end stays one until what follows it is read.
                tail = tail.replace(b"\r\n", b"\n")
            if len(tail) > _TAIL:
                hashed.update(tail[:-_TAIL])
                tail = tail[-_TAIL:]
    start = tail.rfind(_LAST) + 1
    if not (has_title and start):
        return False
    hashed.update(tail[:start])
    try:
        footer = read_footer(tail[start:].decode())
    except ValueError:
        return True
    return footer is not None and footer.sha256 != hashed.hexdigest()

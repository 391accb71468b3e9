"""Proves that a file is what it begins as, from its first byte to its last: nothing else is hidden behind it.

Pictures are walked part by part; what they show is decoded later, elsewhere. Everything here maps the file instead
of reading it whole, and raises Unsupported for a file that is two things, Invalid for one that is damaged.
"""

from __future__ import annotations

import mmap
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stocky.errors import Invalid, Unsupported

# Where a PDF's last line has to be, and where a ZIP's directory may end.
_TAIL = 2048
_ZIP_TAIL = 65_535 + 22
_ZIP_END, _ZIP_ENTRY = b"PK\x05\x06", b"PK\x01\x02"
_BLANK = b"\x00\t\n\x0c\r "
# Both in time that grows with the length only: a file may be one long run of 0xff.
_MARKER = re.compile(rb"\xff++[^\x00\xff\xd0-\xd7]", re.DOTALL)
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_PIECE = 2**20
# More parts than any camera or scanner makes.
_PARTS = 200_000


def check_pdf(file: Path) -> None:
    """Begins with its header, ends with its end."""
    with _mapped(file) as content:
        tail = content[-_TAIL:]
        end = tail.rfind(b"%%EOF")
        if end < 0 or b"startxref" not in content[-2 * _TAIL :]:
            raise _damaged("PDF", "its end is missing")
        if tail[end + 5 :].strip(_BLANK):
            raise _two_things("PDF")


def check_png(file: Path) -> None:
    """Chunks with right checksums from IHDR to IEND, and nothing after it."""
    with _mapped(file) as content:
        position = 8
        names: list[bytes] = []
        while names[-1:] != [b"IEND"]:
            head = content[position : position + 8]
            length, name = int.from_bytes(head[:4], "big"), head[4:]
            end = position + 12 + length
            if len(head) < 8 or end > len(content) or not name.isalpha() or len(names) >= _PARTS:
                raise _damaged("PNG", "its parts do not follow each other")
            checksum = 0
            for begin in range(position + 4, end - 4, _PIECE):
                checksum = zlib.crc32(content[begin : min(begin + _PIECE, end - 4)], checksum)
            if checksum != int.from_bytes(content[end - 4 : end], "big"):
                raise _damaged("PNG", "a checksum in it is wrong")
            names.append(name)
            position = end
        if names[0] != b"IHDR" or b"IDAT" not in names:
            raise _damaged("PNG", "it shows nothing")
        if position < len(content):
            raise _two_things("PNG")


def check_jpeg(file: Path) -> None:
    """Segments from SOI to EOI; behind it only further JPEGs, as cameras put them there, and zeros."""
    with _mapped(file) as content:
        position = _end_of_jpeg(content, 0)
        while content[position : position + 3] == b"\xff\xd8\xff":
            position = _end_of_jpeg(content, position)
        for begin in range(position, len(content), _PIECE):
            if content[begin : begin + _PIECE].strip(b"\0"):
                raise _two_things("JPEG")


def check_webp(file: Path) -> None:
    """One RIFF, as long as it says, filled by its chunks."""
    with _mapped(file) as content:
        stated = int.from_bytes(content[4:8], "little") + 8
        if len(content) > stated + stated % 2:
            raise _two_things("WebP")
        position, count, names = 12, 0, set()
        while position < stated:
            head = content[position : position + 8]
            if len(head) < 8 or count >= _PARTS:
                raise _damaged("WebP", "its parts do not follow each other")
            length = int.from_bytes(head[4:], "little")
            names.add(head[:4])
            position, count = position + 8 + length + length % 2, count + 1
        if position not in (stated, stated + 1) or stated > len(content):
            raise _damaged("WebP", "it is cut off")
        if not names & {b"VP8 ", b"VP8L", b"ANMF"}:
            raise _damaged("WebP", "it shows nothing")


def check_no_zip(file: Path) -> None:
    """Refuses a file that programs for ZIP files would open: they look for a directory at the end only."""
    with _mapped(file) as content:
        tail = content[-_ZIP_TAIL:]
        end = tail.rfind(_ZIP_END)
        while end >= 0:
            size = int.from_bytes(tail[end + 12 : end + 16], "little")
            comment = int.from_bytes(tail[end + 20 : end + 22], "little")
            begin = len(content) - len(tail) + end - size
            if (begin >= 0 and content[begin : begin + 4] == _ZIP_ENTRY) or end + 22 + comment == len(tail):
                raise Unsupported(
                    "The file is a ZIP file as well as what it looks like; send it as one thing", field="file"
                )
            end = tail.rfind(_ZIP_END, 0, end)


def _end_of_jpeg(content: mmap.mmap, start: int) -> int:
    """Where the JPEG ends that begins at `start`."""
    position, shows = start + 2, False
    for _ in range(_PARTS):
        found = _MARKER_IN_SCAN.search(content, position) if shows else _MARKER.match(content, position)
        if found is None:
            raise _damaged("JPEG", "it is cut off" if shows else "its parts do not follow each other")
        marker = found[0][-1]
        if marker == 0xD9:
            if not shows:
                raise _damaged("JPEG", "it shows nothing")
            return found.end()
        length = int.from_bytes(content[found.end() : found.end() + 2], "big")
        if length < 2 or found.end() + length > len(content):
            raise _damaged("JPEG", "its parts do not follow each other")
        position = found.end() + length
        # After the start of a scan come its bits, in which a marker cannot stand by accident.
        shows = shows or marker == 0xDA
    raise _damaged("JPEG", "it has too many parts")


@contextmanager
def _mapped(file: Path) -> Iterator[mmap.mmap]:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def _two_things(name: str) -> Unsupported:
    return Unsupported(
        f"Behind the {name} in the file there is something else; open it and save it again without that", field="file"
    )


def _damaged(name: str, why: str) -> Invalid:
    return Invalid(f"The {name} is damaged: {why}", field="file")

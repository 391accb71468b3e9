"""Checks that a file is one format from its first byte to its last, with nothing appended.

Pictures are walked part by part; their pixels are decoded later, elsewhere. Every check maps the file instead of
reading it whole, and raises Unsupported for a file of two formats, Invalid for a damaged one.
"""

from __future__ import annotations

import mmap
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stocky.errors import Invalid, Unsupported

# The tail that must hold a PDF's last line, and the tail where a ZIP's directory may end.
_TAIL = 2048
_ZIP_TAIL = 65_535 + 22
_ZIP_END, _ZIP_ENTRY = b"PK\x05\x06", b"PK\x01\x02"
_BLANK = b"\x00\t\n\x0c\r "
# Both run in linear time: a file may be one long run of 0xff.
_MARKER = re.compile(rb"\xff++[^\x00\xff\xd0-\xd7]", re.DOTALL)
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_PIECE = 2**20
# More parts than any camera or scanner writes, with all appended pictures.
_PARTS = 200_000


def check_pdf(file: Path) -> None:
    """A PDF ends with its end marker, and nothing follows it."""
    with _mapped(file) as content:
        tail = content[-_TAIL:]
        end = tail.rfind(b"%%EOF")
        if end < 0 or b"startxref" not in content[-2 * _TAIL :]:
            raise _damaged("PDF", "its end is missing")
        if tail[end + 5 :].strip(_BLANK):
            raise _appended_data("PDF")


def check_png(file: Path) -> None:
    """A PNG is chunks with valid checksums from IHDR to IEND, and nothing after it."""
    with _mapped(file) as content:
        position = 8
        names: list[bytes] = []
        while names[-1:] != [b"IEND"]:
            head = content[position : position + 8]
            length, name = int.from_bytes(head[:4], "big"), head[4:]
            end = position + 12 + length
            if len(head) < 8 or end > len(content) or not name.isalpha() or len(names) >= _PARTS:
                raise _damaged("PNG", "its parts are not contiguous")
            checksum = 0
            for begin in range(position + 4, end - 4, _PIECE):
                checksum = zlib.crc32(content[begin : min(begin + _PIECE, end - 4)], checksum)
            if checksum != int.from_bytes(content[end - 4 : end], "big"):
                raise _damaged("PNG", "a checksum is wrong")
            names.append(name)
            position = end
        if names[0] != b"IHDR" or b"IDAT" not in names:
            raise _damaged("PNG", "it has no image data")
        if position < len(content):
            raise _appended_data("PNG")


def check_jpeg(file: Path) -> None:
    """A JPEG is segments from SOI to EOI, followed only by further JPEGs, as cameras append them, and zeros."""
    with _mapped(file) as content:
        position, parts = _end_of_jpeg(content, 0, 0)
        while content[position : position + 3] == b"\xff\xd8\xff":
            position, parts = _end_of_jpeg(content, position, parts)
        for begin in range(position, len(content), _PIECE):
            if content[begin : begin + _PIECE].strip(b"\0"):
                raise _appended_data("JPEG")


def check_webp(file: Path) -> None:
    """A WebP is one RIFF of the declared length, filled by its chunks."""
    with _mapped(file) as content:
        declared = int.from_bytes(content[4:8], "little") + 8
        if len(content) > declared + declared % 2:
            raise _appended_data("WebP")
        position, count, names = 12, 0, set()
        while position < declared:
            head = content[position : position + 8]
            if len(head) < 8 or count >= _PARTS:
                raise _damaged("WebP", "its parts are not contiguous")
            length = int.from_bytes(head[4:], "little")
            names.add(head[:4])
            position, count = position + 8 + length + length % 2, count + 1
        if position not in (declared, declared + 1) or declared > len(content):
            raise _damaged("WebP", "it is truncated")
        if not names & {b"VP8 ", b"VP8L", b"ANMF"}:
            raise _damaged("WebP", "it has no image data")


def check_no_zip(file: Path) -> None:
    """Rejects a file that ZIP programs would open: they only look for a directory at the end."""
    with _mapped(file) as content:
        tail = content[-_ZIP_TAIL:]
        end = tail.rfind(_ZIP_END)
        while end >= 0:
            size = int.from_bytes(tail[end + 12 : end + 16], "little")
            comment = int.from_bytes(tail[end + 20 : end + 22], "little")
            begin = len(content) - len(tail) + end - size
            if (begin >= 0 and content[begin : begin + 4] == _ZIP_ENTRY) or end + 22 + comment == len(tail):
                raise Unsupported("The file is also a ZIP file; send a file of one format", field="file")
            end = tail.rfind(_ZIP_END, 0, end)


def _end_of_jpeg(content: mmap.mmap, start: int, before: int) -> tuple[int, int]:
    """The end of the JPEG that begins at `start`, and the number of parts up to it, of which `before` are earlier."""
    position, has_data = start + 2, False
    for parts in range(before + 1, _PARTS + 1):
        found = _MARKER_IN_SCAN.search(content, position) if has_data else _MARKER.match(content, position)
        if found is None:
            raise _damaged("JPEG", "it is truncated" if has_data else "its parts are not contiguous")
        marker = found[0][-1]
        if marker == 0xD9:
            if not has_data:
                raise _damaged("JPEG", "it has no image data")
            return found.end(), parts
        length = int.from_bytes(content[found.end() : found.end() + 2], "big")
        if length < 2 or found.end() + length > len(content):
            raise _damaged("JPEG", "its parts are not contiguous")
        position = found.end() + length
        # Scan data follows the start of a scan; a marker cannot occur in it by accident.
        has_data = has_data or marker == 0xDA
    raise _damaged("JPEG", "it has too many parts")


@contextmanager
def _mapped(file: Path) -> Iterator[mmap.mmap]:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def _appended_data(name: str) -> Unsupported:
    return Unsupported(
        f"The file has other data after the {name}; open it and save it again without that", field="file"
    )


def _damaged(name: str, why: str) -> Invalid:
    return Invalid(f"The {name} is damaged: {why}", field="file")

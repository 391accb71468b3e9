"""Decodes the barcodes in a picture, for browsers that cannot; without the package zxing-cpp nothing is decoded.

A picture is bounded before it is decoded: in bytes, in pixels, by its format, and in how many are decoded at once.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from importlib.util import find_spec
from typing import Any

from litestar.exceptions import InternalServerException
from msgspec import Struct

from stocky.barcodes.reader import Rules, read_codes
from stocky.documents.pictures import DAMAGE
from stocky.errors import BadRequest, Invalid, NotFound, TooLarge, Unavailable, Unsupported

MAX_BYTES = 12 * 2**20
# A JPEG is decoded at a fraction of its size; other formats need four bytes for each pixel.
MAX_PIXELS = {"JPEG": 48_000_000, "PNG": 16_000_000, "WEBP": 16_000_000}
MAX_SIDE = 16_000
# The longer sides that are tried: a small code in a large photo is found only in the second.
SIDES = (1280, 2048)
AT_ONCE = 2
# Pictures that are received, wait or are decoded; they are in memory.
MOST_ADMITTED = 8
_SYMBOLOGIES = ("EANUPC", "Code128", "Code39", "ITF14", "DataBar", "DataBarExp", "QRCode", "DataMatrix", "Aztec")


class DecodedCode(Struct, kw_only=True):
    """A code in a picture. `scan` is what to send as the `upc` of an event.

    In `scan`, GS1 codes and UPC-E begin with their AIM identifier.
    `corners` are fractions of the picture's width and height, clockwise. `code` is the barcode that is looked up; the
    fields after it are those of a GS1 code, and `problem` is why it cannot be used.
    """

    text: str
    format: str
    symbology: str
    is_gs1: bool
    scan: str
    corners: list[tuple[float, float]]
    code: str = ""
    expiry: date | None = None
    note: str | None = None
    count: int | None = None
    problem: str | None = None


class DecodedPicture(Struct):
    """The codes in a picture, each text once; none is an empty list."""

    codes: list[DecodedCode]


def available() -> bool:
    """Whether pictures can be decoded: the extra `camera` is installed."""
    return find_spec("zxingcpp") is not None


class PictureDecoder:
    """Decodes pictures in threads, `AT_ONCE` at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="decode")
        self._admitted = 0

    async def decode(self, chunks: AsyncIterable[bytes], rules: Rules) -> DecodedPicture:
        """Decodes the picture that arrives in chunks.

        Raises NotFound without a decoder, Unavailable while too many pictures wait, BadRequest, TooLarge, Unsupported,
        Invalid.
        """
        if not available():
            raise NotFound(
                "This Stocky cannot decode pictures: install it with the extra 'camera' (pip install zxing-cpp)"
            )
        if self._admitted >= MOST_ADMITTED:
            raise Unavailable("Too many pictures are being decoded; send it again in a second")
        self._admitted += 1
        try:
            picture = await _receive(chunks)
            codes = await asyncio.get_running_loop().run_in_executor(self._threads, decode_picture, picture)
        finally:
            self._admitted -= 1
        for found, read in zip(codes, await read_codes([each.scan for each in codes], rules), strict=True):
            found.code, found.expiry, found.note = read.code, read.expiry, read.note
            found.count, found.problem = read.count, read.problem
        return DecodedPicture(codes)


async def _receive(chunks: AsyncIterable[bytes]) -> bytes:
    picture = bytearray()
    try:
        async for chunk in chunks:
            picture += chunk
            if len(picture) > MAX_BYTES:
                raise TooLarge(f"The picture is larger than the limit of {MAX_BYTES // 2**20} MB; make it smaller")
    except InternalServerException as error:
        # Litestar raises it for a disconnected client.
        raise BadRequest("The picture was cut off; send it again") from error
    if not picture:
        raise BadRequest("Send the picture as the body")
    return bytes(picture)


def decode_picture(picture: bytes) -> list[DecodedCode]:
    """The codes in a JPEG, PNG or WebP picture, of whatever name or type. Raises Unsupported, TooLarge or Invalid."""
    from PIL import Image, UnidentifiedImageError

    # Larger pictures are rejected below; Pillow would only warn.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(io.BytesIO(picture), formats=list(MAX_PIXELS)) as image:
            width, height = image.size
            if width * height > (most := MAX_PIXELS[_format(image)]) or max(width, height) > MAX_SIDE:
                raise TooLarge(
                    f"The picture has {width} x {height} pixels; at most {most // 10**6} million are decoded"
                )
            # JPEG only: decodes at the next larger fraction of the size, brightness only.
            image.draft("L", (SIDES[0], SIDES[0]))
            grey = _grey(image)
    except UnidentifiedImageError as error:
        raise Unsupported("This is not a picture in JPEG, PNG or WebP") from error
    except MemoryError as error:
        raise Invalid("The picture needs too much memory; make it smaller") from error
    except DAMAGE as error:
        raise Invalid("The picture is damaged; take it again") from error
    return _find_codes(grey)


def _format(image: Any) -> str:
    """The format; photos of some phones are a JPEG with another picture behind it."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def _grey(image: Any) -> Any:
    """The first frame in shades of grey, what is transparent in white, and no larger than the last of `SIDES`."""
    from PIL import Image

    image.load()
    image.thumbnail((SIDES[-1], SIDES[-1]), reducing_gap=2.0)
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        ground = Image.new("RGBA", coloured.size, "white")
        ground.alpha_composite(coloured)
        image = ground
    return image.convert("L")


def _find_codes(grey: Any) -> list[DecodedCode]:
    import zxingcpp

    formats = zxingcpp.BarcodeFormats([getattr(zxingcpp.BarcodeFormat, name) for name in _SYMBOLOGIES])
    for side in SIDES:
        small = grey
        if max(grey.size) > side:
            small = grey.copy()
            small.thumbnail((side, side), reducing_gap=2.0)
        # The default text mode would write the parentheses of GS1 into the text.
        found = zxingcpp.read_barcodes(small, formats=formats, text_mode=zxingcpp.TextMode.Plain)
        if found or small is grey:
            break
    codes = [_code(each, small.size, zxingcpp.ContentType.GS1) for each in found if each.text.strip()]
    return list({each.scan: each for each in codes}.values())


def _code(found: Any, size: tuple[int, int], gs1: Any) -> DecodedCode:
    is_gs1 = found.content_type == gs1
    # The eight digits of a UPC-E may also be an EAN-8, which has another identifier.
    is_upc_e = found.symbology_identifier == "]E0" and len(found.text) == 8
    position = found.position
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    return DecodedCode(
        text=found.text,
        format=str(found.format),
        symbology=found.symbology_identifier,
        is_gs1=is_gs1,
        scan=f"{found.symbology_identifier}{found.text}" if is_gs1 or is_upc_e else found.text,
        corners=[(round(point.x / size[0], 4), round(point.y / size[1], 4)) for point in corners],
    )

"""Decodes an uploaded picture into a thumbnail; runs in a child process, since uploads may be hostile."""

from __future__ import annotations

import resource
import struct
from typing import ClassVar, Literal

import msgspec

from stocky.errors import Invalid
from stocky.progress import ProgressCallback
from stocky.worker.messages import Request

# A picture of this many pixels at four bytes each, decoded and rotated, stays below the process's memory limit.
MAX_PIXELS = 64_000_000
MAX_SIDE = 32_000
THUMBNAIL_SIDE = 320
ADDRESS_SPACE = 2**30
SECONDS = 60
# What Pillow raises for a damaged picture.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    RuntimeError,
)


class PictureRequest(Request, frozen=True, kw_only=True):
    """Decode the picture in `file`, of Pillow's format `picture`, and write it smaller to `thumbnail`.

    `side` is the most pixels in each direction; a JPEG has white where the picture is transparent.
    """

    entry: ClassVar[str] = "stocky.documents.pictures:make_thumbnail_in_child"
    file: str
    picture: str
    thumbnail: str
    side: int = THUMBNAIL_SIDE
    format: Literal["WEBP", "JPEG"] = "WEBP"


class PictureResult(msgspec.Struct, frozen=True, kw_only=True):
    """The size of the picture, upright and in pixels."""

    width: int
    height: int


def bound_process() -> None:
    """Limits the damage of a decoder that a hostile picture has taken over."""
    for what, limit in (
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def make_thumbnail_in_child(request: PictureRequest, report: ProgressCallback) -> PictureResult:
    """Limits the process, then calls `make_thumbnail`. Raises Invalid."""
    bound_process()
    return make_thumbnail(request)


def make_thumbnail(request: PictureRequest) -> PictureResult:
    """Writes an upright smaller picture without camera metadata, and returns the size of the original.

    Raises Invalid for a picture that is damaged or too large.
    """
    from PIL import Image, ImageOps

    # Larger pictures are rejected below; Pillow would only warn.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(request.file, formats=[request.picture]) as image:
            width, height = image.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                raise Invalid(
                    f"The picture has {width} x {height} pixels; at most {MAX_PIXELS // 10**6} million are accepted,"
                    f" and {MAX_SIDE:,} per side. Make it smaller",
                    field="file",
                )
            # Only for JPEG: decodes at a fraction of the size, in a fraction of the memory.
            image.draft("RGB", (2 * request.side, 2 * request.side))
            image.load()
            is_rotated = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            mode = "RGBA" if image.has_transparency_data else "RGB"
            # Converting copies, and the picture may be of maximum size.
            small = image if image.mode == mode else image.convert(mode)
            small.thumbnail((request.side, request.side))
            upright = ImageOps.exif_transpose(small)
            if request.format == "JPEG" and mode == "RGBA":
                background = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(background, upright).convert("RGB")
            upright.info = {}
            metadata = {"exif": b"", "icc_profile": b""} | ({"xmp": b""} if request.format == "WEBP" else {})
            upright.save(request.thumbnail, request.format, quality=80, **metadata)
    except MemoryError as error:
        raise Invalid("The picture needs too much memory; make it smaller", field="file") from error
    except DAMAGE as error:
        raise Invalid("The picture is damaged or of another kind than declared; save it again", field="file") from error
    return PictureResult(width=height if is_rotated else width, height=width if is_rotated else height)

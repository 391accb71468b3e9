"""Decodes an uploaded picture and makes it small; called in a child process, since what comes in may be hostile."""

from __future__ import annotations

import resource
import struct

from stocky.documents.requests import PictureRequest, PictureResult
from stocky.errors import Invalid
from stocky.progress import ProgressCallback

# A picture with four bytes for each of these, decoded and turned, stays below the process's memory.
MAX_PIXELS = 64_000_000
MAX_SIDE = 32_000
THUMBNAIL_SIDE = 320
ADDRESS_SPACE = 2**30
SECONDS = 60
_DAMAGE = (
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


def bound_process() -> None:
    """Limits what a decoder can do that a picture has got the better of."""
    for what, limit in (
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def make_thumbnail_in_child(request: PictureRequest, report: ProgressCallback) -> PictureResult:
    """`make_thumbnail` in a process that is limited first. Raises Invalid."""
    bound_process()
    return make_thumbnail(request)


def make_thumbnail(request: PictureRequest) -> PictureResult:
    """Writes a small WebP of the picture, upright and without what cameras note, and tells how large it is.

    Raises Invalid for a picture that is damaged or too large.
    """
    from PIL import Image, ImageOps

    # Larger ones are refused here, not warned of.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(request.file, formats=[request.picture]) as image:
            width, height = image.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                raise Invalid(
                    f"The picture has {width} x {height} pixels; {MAX_PIXELS // 10**6} million are taken, and"
                    f" {MAX_SIDE:,} on a side. Make it smaller",
                    field="file",
                )
            # Only JPEG can do that: decoded at a fraction of its size, in a fraction of the memory.
            image.draft("RGB", (2 * THUMBNAIL_SIDE, 2 * THUMBNAIL_SIDE))
            image.load()
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            mode = "RGBA" if image.has_transparency_data else "RGB"
            # Converting copies, and the picture may be as large as it gets.
            small = image if image.mode == mode else image.convert(mode)
            small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
            upright = ImageOps.exif_transpose(small)
            upright.info = {}
            upright.save(request.thumbnail, "WEBP", quality=80, exif=b"", icc_profile=b"", xmp=b"")
    except MemoryError as error:
        raise Invalid("The picture takes too much memory; make it smaller", field="file") from error
    except _DAMAGE as error:
        raise Invalid("The picture is damaged or of another kind than it says; save it again", field="file") from error
    return PictureResult(width=height if turned else width, height=width if turned else height)

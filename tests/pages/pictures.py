"""Pictures of barcodes as cameras take them: tilted, blurred, noisy, large."""

from __future__ import annotations

import io
from random import Random
from typing import Any

import zxingcpp
from PIL import Image, ImageFilter

EAN = "4006381333931"
GS1 = "(01)04006381333931(17)301231(10)AB(21)X1"
GS1_CONTENT = "01040063813339311730123110AB\x1d21X1"


def symbol(text: str, symbology: str, scale: int = 4, *, gs1: bool = False) -> Image.Image:
    """A barcode with its quiet zone."""
    code = zxingcpp.create_barcode(
        text, zxingcpp.BarcodeFormat.__members__[symbology], **({"gs1": True} if gs1 else {})
    )
    drawn: Any = code.to_image(scale=scale, add_quiet_zones=True)
    height, width = drawn.shape[:2]
    return Image.frombytes("L", (width, height), bytes(memoryview(drawn)))


def photo(code: Image.Image, size: tuple[int, int] = (640, 480), degrees: float = 0, blur: float = 0) -> Image.Image:
    """The code in the middle of a grey picture."""
    turned = code.convert("LA").rotate(degrees, expand=True, resample=Image.Resampling.BICUBIC)
    picture = Image.new("L", size, 190)
    place = ((size[0] - turned.width) // 2, (size[1] - turned.height) // 2)
    picture.paste(turned.getchannel("L"), place, turned.getchannel("A"))
    return picture.filter(ImageFilter.GaussianBlur(blur)) if blur else picture


def noisy(picture: Image.Image, strength: float = 0.25) -> Image.Image:
    """The picture with noise over all of it, always the same."""
    noise = Random(1).randbytes(picture.width * picture.height)
    return Image.blend(picture, Image.frombytes("L", picture.size, noise), strength)


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """The bytes of the picture."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()

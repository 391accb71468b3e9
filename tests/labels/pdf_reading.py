"""Reads sheets of labels in PDF: the size of each page, its rectangles in millimetres, and its texts."""

from __future__ import annotations

import base64
import re
import zlib
from typing import NamedTuple

from PIL import Image, ImageDraw

_OBJECT = re.compile(rb"(\d+) 0 obj\s(.*?)endobj", re.DOTALL)
_MM = 72 / 25.4


class Sheet(NamedTuple):
    """A page; `rectangles` are left, top, width and height, and `fonts` what its texts are set in."""

    width: float
    height: float
    rectangles: list[tuple[float, float, float, float]]
    fonts: set[str]

    def picture(self, pixels: int) -> Image.Image:
        """Its rectangles, with so many pixels for a millimetre."""
        picture = Image.new("L", (round(self.width * pixels), round(self.height * pixels)), 255)
        pen = ImageDraw.Draw(picture)
        for left, top, width, height in self.rectangles:
            right, bottom = round((left + width) * pixels), round((top + height) * pixels)
            pen.rectangle((round(left * pixels), round(top * pixels), right - 1, bottom - 1), fill=0)
        return picture


def read_pdf(content: bytes) -> list[Sheet]:
    """The pages of a file that Stocky drew."""
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    objects = {int(number): body for number, body in _OBJECT.findall(content)}
    sheets = []
    for body in objects.values():
        if b"/Type /Page\n" not in body and not re.search(rb"/Type /Page\b(?!s)", body):
            continue
        box = [float(each) for each in re.search(rb"/MediaBox \[([^\]]+)\]", body)[1].split()]  # type: ignore[index]
        stream = objects[int(re.search(rb"/Contents (\d+) 0 R", body)[1])]  # type: ignore[index]
        text = _decoded(stream).decode("latin-1")
        height = box[3] / _MM
        sheets.append(
            Sheet(box[2] / _MM, height, _rectangles(text, height), set(re.findall(r"/(\S+) [\d.]+ Tf", text)))
        )
    return sheets


def _decoded(body: bytes) -> bytes:
    data = re.search(rb"stream\r?\n(.*?)\r?\n?endstream", body, re.DOTALL)[1]  # type: ignore[index]
    if b"ASCII85Decode" in body:
        data = base64.a85decode(data.strip().removesuffix(b"~>"))
    return zlib.decompress(data) if b"FlateDecode" in body else data


def _rectangles(text: str, height: float) -> list[tuple[float, float, float, float]]:
    """The filled rectangles of a page, by the transformations around them."""
    found, stack, numbers = [], [], []
    a, d, x, y = 1.0, 1.0, 0.0, 0.0
    for word in text.split():
        if word == "q":
            stack.append((a, d, x, y))
        elif word == "Q":
            a, d, x, y = stack.pop()
        elif word == "cm":
            scale_x, _b, _c, scale_y, left, up = numbers[-6:]
            a, d, x, y = a * scale_x, d * scale_y, x + a * left, y + d * up
        elif word == "re":
            left, up, wide, high = numbers[-4:]
            # d is below zero: from the top of the page downwards.
            top = height - (y + d * up) / _MM
            found.append(((x + a * left) / _MM, top, wide * a / _MM, -high * d / _MM))
        try:
            numbers.append(float(word))
        except ValueError:
            numbers.clear()
    return found

"""Sheets of labels as PDF, as large as the paper; every page is what `layout.draw` makes as SVG.

Codes are filled rectangles, so a printer draws them sharp. Text is in embedded fonts; a character that none of them has
becomes a question mark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from stocky.labels.layout import NOT_XML, Page, Style, Symbol, TextLine

_MM = 72 / 25.4
_RUN = re.compile(r"M(\d+) (\d+)h(\d+)v1h-\d+z")
_CODE_FONT = "Courier-Bold"
# What a code's letters are set apart, in sizes of the font, as in SVG.
_SPACING = 0.1
# The fonts that come with reportlab have the Latin letters; the others have more, where the system has them.
_FONTS = {
    False: ("Vera.ttf", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    True: ("VeraBd.ttf", "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf"),
}


def draw_pdf(pages: Sequence[Page]) -> bytes:
    """The pages as one PDF. Takes milliseconds for each label: call it in a thread, always in the same one."""
    # Imported here: few requests draw PDF, and the import would slow down every start.
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas: Any = Canvas(out, pageCompression=1, invariant=1)
    canvas.setTitle("Labels")
    canvas.setCreator("Stocky")
    for page in pages:
        canvas.setPageSize((page.width * _MM, page.height * _MM))
        # Millimetres from the top left corner, as in SVG.
        canvas.transform(_MM, 0, 0, -_MM, 0, page.height * _MM)
        canvas.setFillGray(0)
        for label in page.labels:
            for symbol in label.symbols:
                _draw_symbol(canvas, symbol, label.x, label.y)
            for line in label.lines:
                _draw_line(canvas, line, label.x, label.y)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _draw_symbol(canvas: Any, symbol: Symbol, left: float, top: float) -> None:
    canvas.saveState()
    canvas.transform(symbol.scale_x, 0, 0, symbol.scale_y, left + symbol.x, top + symbol.y)
    canvas.addLiteral(_RUN.sub(r"\1 \2 \3 1 re ", symbol.path) + "f")
    canvas.restoreState()


def _draw_line(canvas: Any, line: TextLine, left: float, top: float) -> None:
    text = NOT_XML.sub("", line.text)
    name, text = (_CODE_FONT, text) if line.style == "code" and text.isascii() else _font_for(text, line.style)
    spacing = _SPACING * line.size if line.style == "code" else 0
    canvas.saveState()
    # Text is drawn upwards.
    canvas.transform(1, 0, 0, -1, left + line.x, top + line.y)
    x = 0.0
    if line.anchor == "middle":
        x = -(canvas.stringWidth(text, name, line.size) + spacing * len(text)) / 2
    written = canvas.beginText(x, 0)
    written.setFont(name, line.size)
    written.setCharSpace(spacing)
    written.textOut(text)
    canvas.drawText(written)
    canvas.restoreState()


def _font_for(text: str, style: Style) -> tuple[str, str]:
    """The first font that has every character, else the last with question marks."""
    names = _load_fonts(style in ("bold", "code"))
    for name, known in names:
        if known.issuperset(text):
            return name, text
    name, known = names[-1]
    return name, "".join(each if each in known else "?" for each in text)


@lru_cache(maxsize=2)
def _load_fonts(is_bold: bool) -> list[tuple[str, frozenset[str]]]:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    loaded = []
    for file in _FONTS[is_bold]:
        name = f"stocky-{Path(file).stem}"
        try:
            font = TTFont(name, file)
        except TTFError:
            continue
        pdfmetrics.registerFont(font)
        loaded.append((name, frozenset(map(chr, font.face.charToGlyph))))
    return loaded

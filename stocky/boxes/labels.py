"""Sheets of labels for a box: each label has its location's name and the QR code that a scanner reads."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Literal

from stocky.boxes.schemas import BoxPlace
from stocky.catalogue.qr import set_location_command

# An A4 sheet, in millimetres.
WIDTH, HEIGHT, MARGIN = 210, 297, 8.5
COLUMNS, ROWS = 4, 7
PER_SHEET = COLUMNS * ROWS
CODE = 30
# Characters that fit on the line below a code.
LINE = 26

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def draw_labels(locations: Sequence[BoxPlace], form: Literal["json", "short"] = "json") -> bytes:
    """Draws one sheet as SVG, at most PER_SHEET labels. Takes tens of milliseconds: call it in a thread."""
    cell_width, cell_height = (WIDTH - 2 * MARGIN) / COLUMNS, (HEIGHT - 2 * MARGIN) / ROWS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}mm" height="{HEIGHT}mm"'
        f' viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="3.4" text-anchor="middle">'
    ]
    for index, location in enumerate(locations):
        row, column = divmod(index, COLUMNS)
        left, top = MARGIN + column * cell_width, MARGIN + row * cell_height
        middle = left + cell_width / 2
        parts.append(
            f'<svg x="{middle - CODE / 2:g}" y="{top:g}" width="{CODE}" height="{CODE}">'
            f"{_code(set_location_command(location.location_id, form))}</svg>"
            f'<text x="{middle:g}" y="{top + CODE + 4:g}">{_text(location.name)}</text>'
        )
    parts.append("</svg>")
    return "".join(parts).encode()


def _code(text: str) -> str:
    # Imported here: few requests draw, and the import would slow down every start.
    import segno

    out = io.BytesIO()
    code = segno.make(text, micro=False, error="q")
    code.save(out, kind="svg", xmldecl=False, svgns=False, omitsize=True, nl=False, border=2)
    return out.getvalue().decode()


def _text(name: str) -> str:
    shown = _NOT_XML.sub("", name)
    return escape(shown if len(shown) <= LINE else f"{shown[: LINE - 1]}…", quote=False)

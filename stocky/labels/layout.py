"""Sheets of labels: where each label is on the paper, what is on it, and its codes as paths, in millimetres.

A page is one SVG as large as its paper. It is black on white, and every text on it is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from stocky.barcodes.codes import has_check_digit
from stocky.catalogue.qr import set_location_command
from stocky.catalogue.schemas import Item, Location
from stocky.errors import Invalid
from stocky.scanner.commands import short_code
from stocky.scanner.schemas import Command, CommandName, Mode

MOST_LABELS = 1_000
# The numbers of the labels "the next scan counts".
NEXT_QUANTITIES = (2, 3, 4, 5, 6, 10, 12, 20)
# White modules around a code.
_QR_QUIET = 4
# The smallest module of a barcode that hand scanners still read: 75 % of an EAN's nominal width.
_NARROWEST_MODULE = 0.25
_PAD = 1.5
# Where less is left for the text beside a QR code, it is below it.
_NARROWEST_TEXT = 3.0
_GAP = 1.0
# Estimated widths of characters relative to the font size: those of a wide sans serif, since fonts differ.
_WIDTHS = {**dict.fromkeys("MWmw@%&…—", 1.0), **dict.fromkeys("fijlrtIJ .,:;!|'()[]/-", 0.42)}
_WIDTH_UPPER, _WIDTH_OTHER, _WIDTH_LARGE = 0.77, 0.65, 1.1
_WIDTH_BOLD = 1.12
# The width of a monospaced character, with the space after it.
_WIDTH_CODE = 0.74
_LINE = 1.25
_MM = 25.4

Millimetres = Annotated[float, Meta(ge=0, le=1_200)]
Count = Annotated[int, Meta(ge=1, le=50)]


class Sheet(Struct, frozen=True, kw_only=True):
    """The paper and its labels: `left` and `top` of the first one, `gap_x` and `gap_y` between two.

    A roll has one label on each piece of paper. Nothing dark is within `unprintable` of the paper's left and right.
    """

    width: Millimetres
    height: Millimetres
    columns: Count
    rows: Count
    label_width: Millimetres
    label_height: Millimetres
    left: Millimetres = 0
    top: Millimetres = 0
    gap_x: Millimetres = 0
    gap_y: Millimetres = 0
    unprintable: Millimetres = 4

    @property
    def per_page(self) -> int:
        return self.columns * self.rows

    def position(self, cell: int) -> tuple[float, float]:
        """Left and top of a label, counted from 0 along the rows."""
        row, column = divmod(cell, self.columns)
        return (
            round(self.left + column * (self.label_width + self.gap_x), 3),
            round(self.top + row * (self.label_height + self.gap_y), 3),
        )

    @property
    def margins(self) -> tuple[float, float]:
        """What stays white at the left and the right of every label."""
        right = self.width - self.left - self.columns * self.label_width - (self.columns - 1) * self.gap_x
        return max(0, self.unprintable - self.left), max(_PAD, self.unprintable - right)

    def check(self) -> None:
        """Raises Invalid for labels that are too small or do not fit on the paper, naming the field."""
        for name, least in (("label_width", 10), ("label_height", 10), ("width", 10), ("height", 10)):
            if getattr(self, name) < least:
                raise Invalid(f"{name}: must be at least {least} mm", field=name)
        across = self.left + self.columns * self.label_width + (self.columns - 1) * self.gap_x
        down = self.top + self.rows * self.label_height + (self.rows - 1) * self.gap_y
        if across > self.width + 0.01:
            raise Invalid(
                f"columns: {self.columns} labels need {across:g} mm, and the paper has {self.width:g}", field="columns"
            )
        if down > self.height + 0.01:
            raise Invalid(f"rows: {self.rows} labels need {down:g} mm, and the paper has {self.height:g}", field="rows")


def roll(width: float, length: float) -> Sheet:
    """A continuous roll, cut after each label."""
    return Sheet(width=width, height=length, columns=1, rows=1, label_width=width, label_height=length, unprintable=1.5)


# By name, as in URLs and settings.
SHEETS: dict[str, Sheet] = {
    "a4-3x8": Sheet(width=210, height=297, columns=3, rows=8, label_width=70, label_height=37, top=0.5),
    "a4-3x7": Sheet(
        width=210, height=297, columns=3, rows=7, label_width=63.5, label_height=38.1, left=7.21, top=15.15, gap_x=2.54
    ),
    "a4-5x13": Sheet(
        width=210, height=297, columns=5, rows=13, label_width=38.1, label_height=21.2, left=4.67, top=10.7, gap_x=2.54
    ),
    "letter-3x10": Sheet(
        width=8.5 * _MM,
        height=11 * _MM,
        columns=3,
        rows=10,
        label_width=2.625 * _MM,
        label_height=_MM,
        left=0.1875 * _MM,
        top=0.5 * _MM,
        gap_x=0.125 * _MM,
    ),
    "roll-62": roll(62, 29),
    "roll-29": roll(29, 42),
}


class Label(Struct, frozen=True, kw_only=True):
    """What is on a label. `qr` is the text of its QR code; a `barcode` is drawn where it is wide enough to be read."""

    qr: str
    heading: str
    # Set in a monospaced font with spaces, as the code of an item.
    is_code: bool = False
    text: str = ""
    note: str = ""
    barcode: str | None = None


def item_label(item: Item, *, note: str = "", with_barcode: bool = False) -> Label:
    """A label with the item's code; `note` is a line below its name, such as its location."""
    barcode = item.upc if with_barcode else None
    return Label(qr=item.code, heading=item.code, is_code=True, text=item.name, note=note, barcode=barcode)


def location_label(location: Location) -> Label:
    """A label that sets the scanner's location."""
    path = location.path if location.path != location.name else ""
    return Label(qr=set_location_command(location.id), heading=location.name, text=location.description or path)


def command_labels() -> list[Label]:
    """The scanner's commands that are useful at every location: its modes, no location, and undo."""
    modes = [
        (Command(command=CommandName.SET_MODE, payload={"mode": mode.value}), mode.value.capitalize(), "Scanner mode")
        for mode in Mode
    ]
    others = [
        (Command(command=CommandName.SET_LOCATION, payload={"location_id": None}), "No location", "Scanner location"),
        (Command(command=CommandName.UNDO), "Undo", "Undoes the last scan of this scanner"),
    ]
    return [Label(qr=short_code(command), heading=heading, text=text) for command, heading, text in (*modes, *others)]


def count_labels() -> list[Label]:
    """The commands that set what the next scan counts."""
    return [
        Label(
            qr=short_code(Command(command=CommandName.SET_NEXT_QUANTITY, payload={"quantity": each})),
            heading=f"{each} ×",
            text="Next scan",
        )
        for each in NEXT_QUANTITIES
    ]


class Symbol(Struct, frozen=True):
    """A code: `path` is its data in modules, drawn at `x` and `y`, `scale_x` and `scale_y` millimetres for a module.

    `modules` is its width in modules, with its white margin.
    """

    path: str
    modules: int
    x: float
    y: float
    scale_x: float
    scale_y: float


Style = Literal["code", "bold", "plain", "small"]
Anchor = Literal["start", "middle"]


class TextLine(Struct, frozen=True):
    """A line of text: `x` is its left end or its middle, `y` its base line."""

    text: str
    x: float
    y: float
    size: float
    style: Style
    anchor: Anchor


class PlacedLabel(Struct, frozen=True):
    """A label on the paper; positions of its content are relative to its top left corner."""

    x: float
    y: float
    width: float
    height: float
    symbols: list[Symbol]
    lines: list[TextLine]


class Page(Struct, frozen=True):
    """One piece of paper."""

    width: float
    height: float
    labels: list[PlacedLabel]


def lay_out(labels: Sequence[Label], sheet: Sheet, *, used: int = 0) -> list[Page]:
    """The pages for these labels; the first `used` cells of the first page stay empty.

    Takes milliseconds for each label with a code of its own: call it in a thread. Raises Invalid.
    """
    sheet.check()
    if not 0 <= used < sheet.per_page:
        raise Invalid(f"used: must be from 0 to {sheet.per_page - 1}", field="used")
    if len(labels) > MOST_LABELS:
        raise Invalid(f"At most {MOST_LABELS:,} labels are printed at once, not {len(labels):,}", field="labels")
    pages: list[Page] = []
    for number, label in enumerate(labels, used):
        page, cell = divmod(number, sheet.per_page)
        if page == len(pages):
            pages.append(Page(sheet.width, sheet.height, []))
        symbols, lines = _fill(label, sheet.label_width, sheet.label_height, *sheet.margins)
        pages[page].labels.append(
            PlacedLabel(*sheet.position(cell), sheet.label_width, sheet.label_height, symbols, lines)
        )
    return pages


def draw(page: Page, *, outlines: bool = False) -> str:
    """The page as SVG; `outlines` are rectangles of the class `cell`, for a preview."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{page.width:g}mm" height="{page.height:g}mm"'
        f' viewBox="0 0 {page.width:g} {page.height:g}" class="sheet" fill="#000" font-family="sans-serif">'
        f'<rect width="{page.width:g}" height="{page.height:g}" fill="#fff"/>'
    ]
    for label in page.labels:
        parts.append(f'<g transform="translate({label.x:g} {label.y:g})">')
        if outlines:
            parts.append(
                f'<rect class="cell" width="{label.width:g}" height="{label.height:g}" fill="none" stroke="#999"'
                ' stroke-width="0.1"/>'
            )
        parts += [_draw_symbol(each) for each in label.symbols]
        parts += [_draw_line(each) for each in label.lines]
        parts.append("</g>")
    parts.append("</svg>")
    return "".join(parts)


_FONTS = {
    "code": ' font-family="ui-monospace, monospace" font-weight="700" letter-spacing="0.1em"',
    "bold": ' font-weight="700"',
    "plain": "",
    "small": "",
}


def _draw_symbol(symbol: Symbol) -> str:
    return (
        f'<path transform="translate({symbol.x:g} {symbol.y:g}) scale({symbol.scale_x:.5g} {symbol.scale_y:.5g})"'
        f' shape-rendering="crispEdges" d="{symbol.path}"/>'
    )


def _draw_line(line: TextLine) -> str:
    anchor = "" if line.anchor == "start" else ' text-anchor="middle"'
    at = f'x="{line.x:g}" y="{line.y:g}" font-size="{line.size:g}"'
    return f"<text {at}{_FONTS[line.style]}{anchor}>{_text(line.text)}</text>"


def _fill(label: Label, width: float, height: float, left: float, right: float) -> tuple[list[Symbol], list[TextLine]]:
    """The code beside its text on a wide label, above it on a tall one.

    A barcode is below the text; where that is too narrow for it, it replaces the QR code, or is left out.
    """
    if width < 1.25 * height:
        return _fill_tall(label, width, height, max(left, right))
    side = min(height, width * 0.48)
    qr = _qr(label.qr, 0, (height - side) / 2, side)
    # Its white margin may be where nothing can be printed.
    qr = msgspec.structs.replace(qr, x=round(max(0.0, left - _QR_QUIET * qr.scale_x), 3))
    x = qr.x + side
    beside = width - x - right
    barcode = _barcode(label.barcode) if label.barcode else None
    least = barcode.modules * _NARROWEST_MODULE if barcode else 0
    if barcode is None or width < least:
        if beside < _NARROWEST_TEXT:
            return _fill_tall(label, width, height, max(left, right))
        return [qr], _lines(label, x, _PAD, beside, height - 2 * _PAD, "start")
    bars = height * 0.3
    top = height - bars - _PAD
    if beside < least:
        start = max(left, _PAD)
        lines = _lines(label, start, _PAD, width - start - right, top - _PAD - _GAP, "start")
        return [_bars(barcode, 0, top, width, bars)], lines
    return [qr, _bars(barcode, x, top, beside, bars)], _lines(label, x, _PAD, beside, top - _PAD - _GAP, "start")


def _fill_tall(label: Label, width: float, height: float, margin: float) -> tuple[list[Symbol], list[TextLine]]:
    side = min(width, height * 0.62)
    qr = _qr(label.qr, (width - side) / 2, 0, side)
    return [qr], _lines(label, width / 2, side, width - 2 * margin, height - side - _PAD, "middle")


def _lines(label: Label, x: float, top: float, width: float, height: float, anchor: Anchor) -> list[TextLine]:
    """The heading, the text and the note, each if there is room for it."""
    heading_size = min(6.5, max(2.6, height * 0.26))
    size = min(3.2, max(2.0, height * 0.12))
    if label.is_code:
        heading_size = min(heading_size, width / (_WIDTH_CODE * max(len(label.heading), 1)))
        headings = [label.heading]
    else:
        headings = _wrap(label.heading, width, heading_size * _WIDTH_BOLD) or [""]
        while heading_size > size and (len(headings) > 2 or any(each.endswith("…") for each in headings)):
            heading_size = max(size, heading_size - 0.4)
            headings = _wrap(label.heading, width, heading_size * _WIDTH_BOLD)
    heading_style: Style = "code" if label.is_code else "bold"
    wanted: list[tuple[str, float, Style]] = [(each, heading_size, heading_style) for each in headings[:3]]
    wanted += [(each, size, "plain") for each in _wrap(label.text, width, size)]
    notes: list[tuple[str, float, Style]] = [
        (each, size * 0.9, "small") for each in _wrap(label.note, width, size * 0.9)[:1]
    ]
    bottom = top + height
    space = height - sum(each[1] * _LINE for each in notes)
    placed: list[TextLine] = []
    used = 0.0
    for text, line_size, style in wanted:
        used += line_size * _LINE
        if used > space and placed:
            # The last line that fits is marked as cut.
            placed[-1] = msgspec.structs.replace(placed[-1], text=_cut(placed[-1].text))
            break
        y = round(top + used - line_size * (_LINE - 1), 3)
        placed.append(TextLine(text, round(x, 3), y, round(line_size, 3), style, anchor))
    for text, line_size, style in notes:
        y = round(bottom - line_size * (_LINE - 1), 3)
        placed.append(TextLine(text, round(x, 3), y, round(line_size, 3), style, anchor))
    return placed


def _wrap(text: str, width: float, size: float) -> list[str]:
    """Lines of whole words, by the estimated width of characters; a word that is too long is cut."""
    most = width / size
    lines: list[str] = []
    for word in text.split():
        if lines and _width(f"{lines[-1]} {word}") <= most:
            lines[-1] += f" {word}"
        else:
            lines.append(_cut_to(word, most))
    return lines


def _width(text: str) -> float:
    """The width of a text by the size of its font."""
    return sum(
        _WIDTHS.get(each, _WIDTH_LARGE if each > "\u1100" else _WIDTH_UPPER if each.isupper() else _WIDTH_OTHER)
        for each in text
    )


def _cut_to(word: str, most: float) -> str:
    if _width(word) <= most:
        return word
    while word and _width(f"{word}…") > most:
        word = word[:-1]
    return f"{word}…"


def _cut(text: str) -> str:
    return text if text.endswith("…") else f"{text[:-1].rstrip()}…"


class _Modules(Struct, frozen=True):
    path: str
    modules: int


def _qr(text: str, x: float, y: float, side: float) -> Symbol:
    """A QR code with its white margin in a square."""
    code = _qr_modules(text)
    scale = side / code.modules
    return Symbol(code.path, code.modules, round(x, 3), round(y, 3), scale, scale)


def _bars(code: _Modules, x: float, y: float, width: float, height: float) -> Symbol:
    scale = min(width / code.modules, 0.33)
    return Symbol(code.path, code.modules, round(x + (width - code.modules * scale) / 2, 3), round(y, 3), scale, height)


@lru_cache(maxsize=2 * MOST_LABELS)
def _qr_modules(text: str) -> _Modules:
    # Imported here: few requests draw labels, and the import would slow down every start.
    import segno

    try:
        # Quartile error correction: labels get scratched and greasy.
        code = segno.make(text, micro=False, error="q")
    except segno.DataOverflowError:
        raise Invalid("The text is too long for a QR code; about 1,500 characters fit") from None
    return _Modules(_path(code.matrix, _QR_QUIET), len(code.matrix) + 2 * _QR_QUIET)


@lru_cache(maxsize=2 * MOST_LABELS)
def _barcode(text: str) -> _Modules | None:
    """A product's own barcode; None without zxing-cpp, and for a text that no barcode of lines can have."""
    if not text.isascii():
        return None
    try:
        import zxingcpp
    except ImportError:
        return None
    symbology = "Code128"
    if text.isascii() and text.isdigit() and has_check_digit(text.zfill(14)[-14:]):
        symbology = {8: "EAN8", 12: "UPCA", 13: "EAN13"}.get(len(text), symbology)
    try:
        drawn: Any = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, symbology)).to_image(
            scale=1, add_quiet_zones=True
        )
    except ValueError:
        return None
    height, width = drawn.shape[:2]
    middle = bytes(memoryview(drawn))[width * (height // 2) :][:width]
    return _Modules(_path([[value < 128 for value in middle]], 0), width)


def _path(rows: Iterable[Sequence[Any]], quiet: int) -> str:
    """The dark modules as rectangles, one for each run in a row."""
    parts = []
    for y, row in enumerate(rows, quiet):
        x, end = 0, len(row)
        while x < end:
            if not row[x]:
                x += 1
                continue
            start = x
            while x < end and row[x]:
                x += 1
            parts.append(f"M{start + quiet} {y}h{x - start}v1h{start - x}z")
    return "".join(parts)


NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _text(text: str) -> str:
    return escape(NOT_XML.sub("", text), quote=False)

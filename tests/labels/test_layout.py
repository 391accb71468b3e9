"""Label sheets: every code is read back from the drawn sheet, at the place where the label is."""

from __future__ import annotations

import io
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest
import zxingcpp
from PIL import Image, ImageDraw

from stocky.catalogue.qr import set_location_command
from stocky.errors import Invalid
from stocky.labels import layout as labels
from stocky.labels.layout import SHEETS, Label, Page, Sheet, command_labels, draw, lay_out, roll
from stocky.scanner.commands import read_command
from stocky.scanner.schemas import CommandName, Mode
from tests.browsers import PROGRAM, needs_chromium

EAN = "4006381333931"
# Pixels for a millimetre.
SHARP = 12
_RUN = re.compile(r"M(\d+) (\d+)h(\d+)v1h-\d+z")


def _label(number: int, **more: Any) -> Label:
    code = f"{chr(65 + number // 26)}{chr(65 + number % 26)}QX"
    return Label(qr=code, heading=code, is_code=True, text=f"Flour, wheat, type {number}", note="Box 3 / 4", **more)


def _rasterised(page: Page) -> Image.Image:
    """The codes of a page, drawn from their paths."""
    picture = Image.new("L", (round(page.width * SHARP), round(page.height * SHARP)), 255)
    pen = ImageDraw.Draw(picture)
    for label in page.labels:
        for symbol in label.symbols:
            left, top = label.x + symbol.x, label.y + symbol.y
            for x, y, length in (map(int, run) for run in _RUN.findall(symbol.path)):
                x0, y0 = (left + x * symbol.scale_x) * SHARP, (top + y * symbol.scale_y) * SHARP
                x1, y1 = x0 + length * symbol.scale_x * SHARP, y0 + symbol.scale_y * SHARP
                pen.rectangle((round(x0), round(y0), round(x1) - 1, round(y1) - 1), fill=0)
    return picture


def _read(picture: Image.Image) -> dict[str, tuple[float, float, str]]:
    """The codes in a picture with their left top corners in pixels, and their symbology."""
    found = zxingcpp.read_barcodes(picture, text_mode=zxingcpp.TextMode.Plain)
    return {each.text: (each.position.top_left.x, each.position.top_left.y, str(each.format)) for each in found}


@pytest.mark.parametrize("name", SHEETS)
def test_every_code_of_a_full_sheet_is_read(name: str) -> None:
    sheet = SHEETS[name]
    wanted = [_label(number) for number in range(sheet.per_page)]
    [page] = lay_out(wanted, sheet)
    assert (page.width, page.height) == (sheet.width, sheet.height)
    assert set(_read(_rasterised(page))) == {each.qr for each in wanted}


@pytest.mark.parametrize("name", SHEETS)
def test_location_codes_are_read(name: str) -> None:
    wanted = [
        Label(qr=set_location_command(1_000 + number), heading=f"Box 12 / {number}")
        for number in range(SHEETS[name].per_page)
    ]
    [page] = lay_out(wanted, SHEETS[name])
    assert set(_read(_rasterised(page))) == {each.qr for each in wanted}


@pytest.mark.parametrize("name", SHEETS)
def test_everything_is_within_its_label(name: str) -> None:
    sheet = SHEETS[name]
    wanted = [_label(number, barcode=EAN) for number in range(sheet.per_page)]
    [page] = lay_out(wanted, sheet)
    corners = set()
    for label in page.labels:
        corners.add((label.x, label.y))
        assert label.x >= 0
        assert label.x + label.width <= sheet.width + 0.01
        assert label.y + label.height <= sheet.height + 0.01
        for symbol in label.symbols:
            assert symbol.x >= 0
            assert symbol.x + symbol.modules * symbol.scale_x <= label.width + 0.01
        for line in label.lines:
            assert 0 < line.y <= label.height
            assert 0 < line.x < label.width
        bases = [line.y for line in label.lines]
        assert bases == sorted(bases)
    assert len(corners) == sheet.per_page


@pytest.mark.parametrize("barcode", [None, EAN, "96385074"])
def test_small_labels_have_room_for_their_text(barcode: str | None) -> None:
    for width in (10, 12.5, 13, 14, 15, 17, 20, 25):
        for height in (10, 11, 13, 20):
            sheet = Sheet(width=width, height=height, columns=1, rows=1, label_width=width, label_height=height)
            [page] = lay_out([_label(0, barcode=barcode)], sheet)
            [label] = page.labels
            assert all(line.size >= 0.5 for line in label.lines), (width, height)
            assert all(0 < line.x < width for line in label.lines), (width, height)
            assert _read(_rasterised(page)), (width, height)


@pytest.mark.parametrize(
    ("name", "beside"), [("a4-3x8", True), ("a4-3x7", True), ("roll-62", True), ("a4-5x13", False)]
)
def test_own_barcode_is_read_where_it_fits(name: str, beside: bool) -> None:
    [page] = lay_out([_label(0, barcode=EAN)], SHEETS[name])
    found = _read(_rasterised(page))
    assert found[EAN][2] == "EAN-13"
    assert ("AAQX" in found) is beside


@pytest.mark.parametrize(
    ("barcode", "format"),
    [("96385074", "EAN-8"), ("036000291452", "EAN-13"), ("4006381333932", "Code 128"), ("SHELF-42", "Code 128")],
)
def test_own_barcode_has_the_symbology_of_its_number(barcode: str, format: str) -> None:  # noqa: A002 - zxing's word
    [page] = lay_out([Label(qr="QXZB", heading="QXZB", barcode=barcode)], roll(100, 30))
    found = {text.lstrip("0"): each for text, each in _read(_rasterised(page)).items()}
    assert found[barcode.lstrip("0")][2].replace("UPC-A", "EAN-13") == format


@pytest.mark.parametrize("barcode", ["Äpfel", "X" * 90])
def test_barcode_that_cannot_be_drawn_is_left_out(barcode: str) -> None:
    [page] = lay_out([_label(0, barcode=barcode)], SHEETS["a4-3x8"])
    assert set(_read(_rasterised(page))) == {"AAQX"}


def test_used_labels_of_the_first_page_are_left_free() -> None:
    sheet = SHEETS["a4-3x8"]
    pages = lay_out([_label(number) for number in range(30)], sheet, used=5)
    assert [len(page.labels) for page in pages] == [19, 11]
    assert (pages[0].labels[0].x, pages[0].labels[0].y) == (140, 37.5)
    assert (pages[1].labels[0].x, pages[1].labels[0].y) == (0, 0.5)
    assert lay_out([], sheet) == []


def test_letter_sheet_is_in_inches() -> None:
    sheet = SHEETS["letter-3x10"]
    assert sheet.position(0) == pytest.approx((4.7625, 12.7), abs=0.01)
    assert sheet.position(29) == pytest.approx(((0.1875 + 2 * 2.75) * 25.4, 241.3), abs=0.01)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"columns": 4}, "columns"),
        ({"rows": 9}, "rows"),
        ({"left": 5}, "columns"),
        ({"label_width": 5}, "label_width"),
        ({"label_height": 9}, "label_height"),
    ],
)
def test_sheet_that_does_not_fit_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    own = {"width": 210, "height": 297, "columns": 3, "rows": 8, "label_width": 70, "label_height": 37} | changes
    with pytest.raises(Invalid) as caught:
        lay_out([_label(0)], Sheet(**own))
    assert caught.value.field == field


def test_limits() -> None:
    with pytest.raises(Invalid, match="used"):
        lay_out([_label(0)], SHEETS["a4-3x8"], used=24)
    with pytest.raises(Invalid, match="1,000"):
        lay_out([_label(0)] * 1001, SHEETS["a4-3x8"])


def test_long_texts_are_cut_and_escaped() -> None:
    hostile = Label(qr="QXZB", heading="<script>", text="Überlange & sehr </text> " * 20, note='"\x00\x1f' + "n" * 90)
    [page] = lay_out([hostile], SHEETS["a4-3x8"])
    svg = draw(page, outlines=True)
    assert "<script>" not in svg
    tree = ET.fromstring(svg)
    texts = [each.text for each in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "<script>"
    assert any(text and text.endswith("…") for text in texts)
    assert "style=" not in svg
    assert 'class="cell"' in svg
    assert "cell" not in draw(page)


def test_commands_are_those_that_the_scanner_reads() -> None:
    commands = [read_command(each.qr) for each in command_labels()]
    assert [each.payload.get("mode") for each in commands[:5]] == [mode.value for mode in Mode]
    assert [each.command for each in commands[5:]] == [CommandName.SET_LOCATION, CommandName.UNDO]
    [page] = lay_out(command_labels(), SHEETS["a4-3x8"])
    assert set(_read(_rasterised(page))) == {each.qr for each in command_labels()}


def test_without_the_writer_of_barcodes_the_qr_code_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    labels._barcode.cache_clear()
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    [page] = lay_out([_label(0, barcode=EAN)], SHEETS["a4-3x8"])
    assert len(page.labels[0].symbols) == 1
    labels._barcode.cache_clear()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser for all tests of this file; Debian's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def shown(chromium: Any) -> Iterator[Any]:
    """An empty page of it, with 4 pixels for one of CSS."""
    page = chromium.new_page(device_scale_factor=4)
    yield page
    page.close()


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("name", SHEETS)
def test_browser_draws_codes_in_their_places(shown: Any, name: str) -> None:
    sheet = SHEETS[name]
    wanted = [_label(number) for number in range(sheet.per_page)]
    [page] = lay_out(wanted, sheet)
    shown.set_content(f"<!doctype html><body style='margin:0'>{draw(page)}")
    picture = Image.open(io.BytesIO(shown.locator("svg.sheet").screenshot())).convert("L")
    millimetre = 4 * 96 / 25.4
    assert picture.width == pytest.approx(sheet.width * millimetre, abs=4)
    found = _read(picture)
    assert set(found) == {each.qr for each in wanted}
    for label, placed in zip(wanted, page.labels, strict=True):
        [symbol] = placed.symbols
        x, y, _ = found[label.qr]
        quiet = 4 * symbol.scale_x
        assert x / millimetre == pytest.approx(placed.x + symbol.x + quiet, abs=0.2)
        assert y / millimetre == pytest.approx(placed.y + symbol.y + quiet, abs=0.2)


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("name", SHEETS)
def test_texts_stay_on_their_labels_in_a_browser(shown: Any, name: str) -> None:
    wide = Label(qr="QXZB", heading="WMWM", is_code=True, text="WMWM " * 20, note="W" * 60, barcode=EAN)
    location = Label(qr="QXZB", heading="Workshop MMMM cabinet WWWW drawer", text="MW" * 40, note="M" * 60)
    [page] = lay_out([wide, location][: SHEETS[name].per_page], SHEETS[name])
    shown.set_content(f"<!doctype html><body style='margin:0'>{draw(page)}")
    boxes = shown.evaluate(
        "[...document.querySelectorAll('g')].map(g => [...g.querySelectorAll('text')].map(t => {"
        " const b = t.getBBox(); return [b.x, b.y, b.x + b.width, b.y + b.height]; }))"
    )
    for placed, lines in zip(page.labels, boxes, strict=True):
        for left, top, right, bottom in lines:
            assert left > -0.1
            assert top > -0.1
            assert right <= placed.width + 0.1
            assert bottom <= placed.height + 0.1

"""Label sheets as PDF: every code is read back from its rectangles, at the size of the paper."""

from __future__ import annotations

import pytest
import zxingcpp

from stocky.labels.layout import SHEETS, Label, command_labels, count_labels, lay_out
from stocky.labels.pdf import draw_pdf
from tests.labels.pdf_reading import read_pdf

EAN = "4006381333931"


def _labels(count: int) -> list[Label]:
    codes = [f"{chr(65 + number // 26)}{chr(65 + number % 26)}QX" for number in range(count)]
    return [
        Label(qr=code, heading=code, is_code=True, text="Größe & <b>", note="½ Łódź", barcode=EAN) for code in codes
    ]


@pytest.mark.parametrize("name", SHEETS)
def test_every_code_is_read_at_its_place(name: str) -> None:
    sheet = SHEETS[name]
    wanted = _labels(sheet.per_page + 1)
    pages = lay_out(wanted, sheet)
    drawn = read_pdf(draw_pdf(pages))
    assert len(drawn) == len(pages) == 2
    for page, paper in zip(pages, drawn, strict=True):
        assert (paper.width, paper.height) == pytest.approx((sheet.width, sheet.height), abs=0.01)
        rectangles = sum(symbol.path.count("M") for label in page.labels for symbol in label.symbols)
        assert len(paper.rectangles) == rectangles
        left = min(each[0] for each in paper.rectangles)
        first = page.labels[0]
        assert left >= min(label.x for label in page.labels)
        assert min(each[1] for each in paper.rectangles) == pytest.approx(
            first.y + min(s.y + 4 * s.scale_y if s.scale_x == s.scale_y else s.y for s in first.symbols), abs=0.1
        )
    found = {
        each.text
        for paper in drawn
        for each in zxingcpp.read_barcodes(paper.picture(12), text_mode=zxingcpp.TextMode.Plain)
    }
    # Where there is room for one code only, it is one of the two.
    assert ({label.qr for label in wanted} <= found) is (name != "a4-5x13")
    assert (EAN in found) is (name != "roll-29")


def test_commands_are_read() -> None:
    wanted = [*command_labels(), *count_labels()]
    [paper] = read_pdf(draw_pdf(lay_out(wanted, SHEETS["a4-3x8"])))
    found = zxingcpp.read_barcodes(paper.picture(12), text_mode=zxingcpp.TextMode.Plain)
    assert {each.text for each in found} == {label.qr for label in wanted}


@pytest.mark.parametrize(
    "text", ["Гараж", "漢字 \U0001f600", "\u202eabc", 'quote " \\ ( ) %', "\x00\x1f\x7f", "", "…" * 400, "a" * 2_000]
)
def test_any_text_is_drawn(text: str) -> None:
    label = Label(qr="QXZB", heading=text, text=text, note=text)
    [paper] = read_pdf(draw_pdf(lay_out([label], SHEETS["a4-3x8"])))
    assert paper.rectangles


def test_same_labels_are_the_same_file() -> None:
    pages = lay_out(_labels(3), SHEETS["roll-62"])
    assert draw_pdf(pages) == draw_pdf(pages)

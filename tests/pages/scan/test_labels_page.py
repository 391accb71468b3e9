"""The page of labels: its address says what is printed on which sheet, and the sheet is remembered."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from stocky.pages import sheets
from stocky.pages.views import labels
from tests.labels.pdf_reading import read_pdf
from tests.pages.conftest import Browser
from tests.pages.markup import Page

Browse = Callable[[str], Awaitable[Browser]]


async def test_what_is_printed(browse: Browse, samples: dict[str, Any]) -> None:
    browser = await browse("member")
    assert "Nothing to print yet" in (await browser.show("/labels")).text
    text = (await browser.show("/labels?items=1,2,999,x&items=1&locations=1&commands=true&copies=2")).text
    assert Page(text).faults == []
    assert text.count('class="cell"') == 2 * (2 + 1 + 7)
    assert samples["code"] in text
    assert "Take" in text
    assert "Lookup" not in text
    text = (await browser.show("/labels?locations=all")).text
    assert text.count('class="cell"') > 1
    # What a picker's field has as text is found without script.
    text = (await browser.show(f"/labels?items=2&item_id_text={samples['code']}&location_id_text=")).text
    assert text.count('class="cell"') == 2


async def test_the_sheet_is_remembered(browse: Browse, samples: dict[str, Any]) -> None:
    browser = await browse("member")
    query = "width=62&height=30&columns=2&rows=1&label_width=30&label_height=29&left=0&top=0,5&gap_x=1&gap_y=0"
    text = (await browser.show(f"/labels?items=1&sheet=own&{query}")).text
    assert 'width="62mm" height="30mm"' in text
    text = (await browser.show("/labels?items=1")).text
    assert 'width="62mm" height="30mm"' in text
    assert '<option value="own" selected>' in text
    browser.cookies.set("stocky_sheet", "nonsense")
    assert 'width="210mm" height="297mm"' in (await browser.show("/labels?items=1")).text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sheet=own&columns=9", "labels need"),
        ("sheet=own&label_width=1", "must be at least 10 mm"),
        ("used=24", "must be from 0 to 23"),
        ("used=x", "must be a number"),
        ("copies=0", "must be at least 1"),
        ("copies=abc", "must be a number"),
        ("item_id_text=nowhere", "There is no item"),
        ("location_id_text=nowhere", "There is no location"),
    ],
)
async def test_what_is_wrong(browse: Browse, samples: dict[str, Any], query: str, words: str) -> None:
    browser = await browse("member")
    text = (await browser.show(f"/labels?items=1&{query}")).text
    assert words in text
    assert 'name="items" value="1"' in text, "what was chosen stays"
    assert samples["code"] in text
    assert "Nothing to print yet" not in text
    assert Page(text).faults == []


async def test_all_locations_are_printed_or_none(
    browse: Browse, samples: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sheets, labels):
        monkeypatch.setattr(module, "MOST_LABELS", 1)
    browser = await browse("member")
    text = (await browser.show("/labels?locations=all")).text
    assert "At most 1 labels are printed at once" in text
    assert 'class="cell"' not in text
    browser.headers["Accept-Language"] = "de"
    german = (await browser.show("/labels?locations=all")).text
    assert "Auf einmal werden höchstens 1 Etiketten gedruckt" in german


async def test_files_of_the_sheets(browse: Browse, samples: dict[str, Any]) -> None:
    browser = await browse("member")
    text = (await browser.show("/labels?items=1&locations=1&commands=true&counts=true")).text
    assert text.count('class="cell"') == 1 + 1 + 7 + 8
    assert "Next scan" in text
    # Both ways to paper are above the form.
    assert text.index('id="print"') < text.index("format=pdf") < text.index('id="labels-form"')
    links = [html.unescape(each) for each in re.findall(r'href="(/labels\?format=[^"]+)"', text)]
    assert len(links) == 2
    for link, kind in zip(links, ("application/pdf", "image/svg+xml"), strict=True):
        answer = await browser.get(link)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind), link
        assert answer.headers["x-total-count"] == "1"
    assert len(read_pdf((await browser.get(links[0])).content)) == 1
    query = (
        "sheet=own&width=62&height=30&columns=1&rows=1&label_width=62&label_height=29&left=0&top=0.5&gap_x=0&gap_y=0"
    )
    text = (await browser.show(f"/labels?commands=true&{query}")).text
    links = [html.unescape(each) for each in re.findall(r'href="(/labels\?format=[^"]+)"', text)]
    assert len(links) == 1 + 7
    [first, *_] = read_pdf((await browser.get(links[0])).content)
    assert (round(first.width), round(first.height)) == (62, 30)
    assert 'width="62mm" height="30mm"' in (await browser.get(links[7])).text
    # Nothing to draw, or a wrong sheet: the page says so.
    assert "Nothing to print yet" in (await browser.show("/labels?format=pdf")).text
    assert "must be from 0 to 23" in (await browser.show("/labels?items=1&sheet=a4-3x8&used=24&format=pdf")).text
    for query in ("format=png", "format=svg&page=x", "format=svg&page=0"):
        assert (await browser.get(f"/labels?items=1&{query}")).status_code == 422
    assert "There is no sheet 2" in (await browser.get("/labels?items=1&format=svg&page=2")).text


async def test_a_size_is_kept_for_everyone(browse: Browse, samples: dict[str, Any]) -> None:
    browser, other = await browse("member"), await browse("admin")
    lengths = {"width": "62", "height": "30", "columns": "2", "rows": "1", "label_width": "30", "label_height": "29"}
    lengths |= {"left": "0", "top": "0,5", "gap_x": "1", "gap_y": "0", "sheet": "own", "items": "1"}
    page = await browser.show("/labels?" + urlencode(lengths))
    assert "Keep this size" in page.text
    answer = await browser.submit("/labels/sheets", lengths | {"name": "Small ones"})
    assert answer.headers["location"] == "/labels?items=1&sheet=Small+ones&done=kept"
    for each in (browser, other):
        text = (await each.show("/labels?items=1&sheet=Small+ones")).text
        assert '<option value="Small ones" selected>Small ones, 30 x 29 mm</option>' in text
        assert 'width="62mm" height="30mm"' in text
        assert Page(text).faults == []
    # The device remembers it.
    assert 'width="62mm" height="30mm"' in (await browser.show("/labels?items=1")).text
    for fields, words in (
        ({"name": "a4-3x8"}, "choose another name"),
        ({"name": ""}, "is required"),
        ({"name": "x", "columns": "9"}, "labels need"),
    ):
        wrong = await browser.submit("/labels/sheets", lengths | fields)
        assert (wrong.status_code in (409, 422), words in wrong.text) == (True, True), words
        assert Page(wrong.text).faults == []
    gone = await browser.submit("/labels/sheets/delete", {"sheet": "Small ones", "items": "1"})
    assert gone.headers["location"] == "/labels?items=1&sheet=a4-3x8&done=deleted"
    assert "Small ones" not in (await browser.show("/labels?items=1&sheet=a4-3x8")).text
    assert (await browser.submit("/labels/sheets/delete", {"sheet": "Small ones"})).status_code == 404

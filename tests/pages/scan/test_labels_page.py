"""The page of labels: its address says what is printed on which sheet, and the sheet is remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

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
        ("item_id_text=nowhere", "There is no item"),
        ("location_id_text=nowhere", "There is no location"),
    ],
)
async def test_what_is_wrong(browse: Browse, samples: dict[str, Any], query: str, words: str) -> None:
    browser = await browse("member")
    text = (await browser.show(f"/labels?items=1&{query}")).text
    assert words in text
    assert Page(text).faults == []

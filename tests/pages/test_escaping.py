"""Text of users in elements that Python builds: escaped once, and markup left as it is."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from httpx import AsyncClient
from markupsafe import Markup, escape

from stocky.pages.escaping import escaped
from tests.inventory import new_item, new_location, new_stock
from tests.pages.conftest import Browser

Browse = Callable[[str], Awaitable[Browser]]

HOSTILE = """<i a="1" b='2'>&amp;"""


class Word(str):
    """A text that is not exactly a `str`, as members of a StrEnum."""

    __slots__ = ()


@pytest.mark.parametrize("value", [HOSTILE, "", Word(HOSTILE), Markup(HOSTILE), 7, -1.5, Decimal("1.5"), True, None])
def test_value_reads_as_escaped_by_markupsafe(value: Any) -> None:
    assert escaped(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") == str(escape(value))


async def test_rows_of_items_and_events_escape_what_users_wrote(member: AsyncClient, browse: Browse) -> None:
    item = await new_item(member, HOSTILE, unit="piece", min_quantity=5)
    for number in range(2):
        location = await new_location(member, f"{HOSTILE} {number}")
        await new_stock(member, item, location, 1, lot=HOSTILE, note=HOSTILE)
    browser = await browse("member")
    for path in ("/items", "/activity"):
        text = (await browser.show(path)).text
        assert "<i a" not in text
        assert text.count(html.escape(HOSTILE)) >= 3
        # Names in labels have been escaped by the translation already.
        assert "&amp;amp;amp;" not in text

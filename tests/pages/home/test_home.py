"""The home page: first steps where there is nothing, and counts that lead to what they count."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient

from tests.inventory import new_item, new_location, new_stock
from tests.pages.conftest import Browser

pytestmark = pytest.mark.one_server


async def test_first_steps(browse: Callable[[str], Awaitable[Browser]], admin: AsyncClient) -> None:
    browser = await browse("admin")
    empty = (await browser.show("/")).text
    assert empty.count('class="step"') == 4
    assert 'href="/first-start/data"' in empty
    await new_location(admin)
    await new_item(admin, "Coffee")
    begun = (await browser.show("/")).text
    assert begun.count('class="step past"') == 3
    assert 'href="/first-start/data"' not in begun, "there are items already"


@pytest.mark.parametrize("person", ["scanner", "reader"])
async def test_first_steps_are_what_one_may_do(person: str, browse: Callable[[str], Awaitable[Browser]]) -> None:
    page = (await (await browse(person)).show("/")).text
    assert 'href="/items/new"' not in page
    assert ("Scan something" in page) == (person == "scanner")


async def test_counts_lead_to_what_they_count(
    browse: Callable[[str], Awaitable[Browser]], samples: dict[str, object]
) -> None:
    page = (await (await browse("member")).show("/")).text
    for cause in ("low_stock", "expired"):
        assert f'href="/items?cause={cause}"' in page
    assert 'href="/review"' in page
    assert 'href="/alerts"' in page
    assert "All backups" not in page, "backups are for admins"
    reader = (await (await browse("reader")).show("/")).text
    assert 'href="/items?needs_review=true"' in reader
    assert 'href="/alerts"' not in reader
    admin = (await (await browse("admin")).show("/")).text
    assert "No good backup yet" in admin


async def test_what_happened_is_read_exclusive(
    browse: Callable[[str], Awaitable[Browser]], admin: AsyncClient, samples: dict[str, object]
) -> None:
    browser = await browse("member")
    item, shelf = await new_item(admin, "Tea <green>"), await new_location(admin, "Top shelf")
    await new_stock(admin, item, shelf, 3)
    part = (await browser.get("/", headers={"X-Fragment": "now"})).text
    assert "Tea &lt;green&gt;" in part
    assert "+3" in part
    assert "Needs attention" not in part
    german = (await browser.show("/", headers={"Accept-Language": "de"})).text
    assert re.search(r'<span class="soft">Ereignisse?</span>', german)

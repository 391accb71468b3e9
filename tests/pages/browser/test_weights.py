"""How much a page loads: the bars for the first view of /items and /scan, and for the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browsers import in_a_browser
from tests.pages import weights
from tests.pages.browser.conftest import Opener, OwnSites

if TYPE_CHECKING:
    from playwright.async_api import Browser, StorageState

pytestmark = in_a_browser

KB = 1024


@pytest.mark.parametrize(("path", "most_bytes", "most_requests"), [("/items", 30 * KB, 4), ("/scan", 35 * KB, 8)])
async def test_views_are_light(
    own_site: OwnSites,
    opener: Opener,
    chrome: Browser,
    sessions: dict[tuple[str, str], StorageState],
    path: str,
    most_bytes: int,
    most_requests: int,
) -> None:
    site = own_site()
    await opener("/me", "member", at=site)
    views = await weights.measure(chrome, site.url, sessions[site.url, "member"], path)
    found = weights.table(path, views)
    assert weights.total(views.first) <= most_bytes, found
    assert len(views.first) <= most_requests, found
    assert weights.total(views.again) <= 6 * KB, found
    assert [load.name for load in views.again] == [path], found

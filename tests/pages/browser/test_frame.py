"""The frame of the pages in a browser."""

from __future__ import annotations

import pytest

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener

pytestmark = in_a_browser


@pytest.mark.parametrize("script", [True, False])
async def test_signed_in(opener: Opener, script: bool) -> None:
    page = await opener("/me", "member", script=script)
    assert await page.locator("h1").count() == 1
    assert page.url.endswith("/me")

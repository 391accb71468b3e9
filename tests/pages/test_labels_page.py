"""The page of labels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.pages.conftest import Browser


async def test_own_size(browse: Callable[[str], Awaitable[Browser]], samples: dict[str, object]) -> None:
    browser = await browse("member")
    answer = await browser.show("/labels?items=1&sheet=own")
    assert "<svg" in answer.text

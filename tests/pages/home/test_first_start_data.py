"""Demo data from the page of the first start: a job with progress, only for a database without items."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient

from stocky.pages.views import first_start
from tests.pages.conftest import Browser

pytestmark = pytest.mark.one_server


async def test_demo_data(
    browse: Callable[[str], Awaitable[Browser]], admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_start, "_ITEMS", 20)
    monkeypatch.setattr(first_start, "_EVENTS", 40)
    browser = await browse("admin")
    assert "Look around first" in (await browser.show("/first-start/data")).text
    assert (await browser.submit("/first-start/data")).status_code == 303
    for _ in range(600):
        page = (await browser.show("/first-start/data")).text
        if "Adding demo data" not in page:
            break
        assert 'data-live="/api/v1/jobs/' in page, "with script its progress shows by itself"
        assert 'http-equiv="refresh"' in page, "without script it reloads"
        await asyncio.sleep(0.05)
    assert "There are items to look at" in page
    assert "Look around first" not in page
    assert len((await admin.get("/items/")).json()) == 20
    refused = await browser.submit("/first-start/data")
    assert refused.status_code == 409
    assert "only for a database without items" in refused.text

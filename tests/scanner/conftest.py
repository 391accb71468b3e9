"""A scanner that scans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient

from tests.inventory import Json, made

Scan = Callable[..., Awaitable[Json]]


@pytest.fixture
def scan(scanner: AsyncClient) -> Scan:
    """Scans with scanner `s1` and returns the answer of a 200."""

    async def scan(upc: str, scanner_id: str | None = "s1", **fields: Any) -> Json:
        return made(await scanner.post("/scanner/scan", json={"upc": upc, "scanner_id": scanner_id, **fields}))

    return scan


@pytest.fixture
def set_state(scanner: AsyncClient) -> Scan:
    """Sets mode and location of scanner `s1`."""

    async def set_state(mode: str, location: Json | None = None, scanner_id: str = "s1") -> Json:
        state = {"mode": mode, "location_id": location and location["id"]}
        return made(await scanner.put(f"/scanner/{scanner_id}/state", json=state))

    return set_state

"""A stockroom that a project can be built from."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from httpx import AsyncClient

from tests.inventory import Json, new_item, new_location, new_stock


class Bench(NamedTuple):
    """Two items at two locations."""

    screw: Json
    board: Json
    shelf: Json
    drawer: Json


@pytest.fixture
async def bench(member: AsyncClient) -> Bench:
    """5 screws on the shelf and 3.5 in the drawer, and 1 board in the drawer."""
    shelf, drawer = await new_location(member, "Shelf"), await new_location(member, "Drawer")
    screw, board = await new_item(member, "Screw"), await new_item(member, "Board")
    await new_stock(member, screw, shelf, 5)
    await new_stock(member, screw, drawer, 3.5)
    await new_stock(member, board, drawer, 1)
    return Bench(screw, board, shelf, drawer)

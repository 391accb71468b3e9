"""A stockroom on the test's database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stocky.config import Config
from stocky.db import Database
from tests.stock.stockroom import Stockroom


@pytest.fixture
async def stockroom(config: Config, database: Database) -> AsyncIterator[Stockroom]:
    """A stockroom with a running recorder."""
    stockroom = Stockroom(config, database)
    stockroom.recorder.start()
    yield stockroom
    await stockroom.recorder.close()

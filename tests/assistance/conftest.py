"""A Stocky that asks a model on this machine, and may fetch datasheets from it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stocky.config import Config, load
from tests.assistance.model import KEY, MODEL, Model, serving


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    """The model of the settings."""
    async with serving() as model:
        yield model


@pytest.fixture
def settings() -> dict[str, str]:
    """Further settings of a test."""
    return {}


@pytest.fixture
def config(environ: dict[str, str], model: Model, settings: dict[str, str]) -> Config:
    """A Stocky that asks the model."""
    asking = {
        "STOCKY_AI_API_KEY": KEY,
        "STOCKY_AI_MODEL": MODEL,
        "STOCKY_AI_BASE_URL": f"{model.url}/v1/",
        "STOCKY_AI_TIMEOUT": "20",
        "STOCKY_WEBHOOKS_TO_PRIVATE": "true",
    }
    return load(environ | asking | settings)

"""The names that follow from the settings."""

from __future__ import annotations

import re

from stocky.mqtt.sensors import Topics
from stocky.mqtt.settings import MqttSettings, read_broker, read_prefix

# Alike when / and . are replaced.
ALIKE = ["home/stocky", "home-stocky", "home_stocky", "home.stocky", "stocky"]


def _settings(prefix: str) -> MqttSettings:
    return MqttSettings(broker=read_broker("mqtt://localhost"), api_key="stk_a_b", prefix=read_prefix(prefix))


def test_names_of_two_prefixes_differ() -> None:
    settings = [_settings(prefix) for prefix in ALIKE]
    assert len({each.client_id for each in settings}) == len(settings)
    assert len({each.node for each in settings}) == len(settings)
    assert len({Topics(each).configurations for each in settings}) == len(settings)
    assert all(re.fullmatch("[A-Za-z0-9_-]+", each.node) for each in settings)


def test_name_is_the_prefix_where_that_is_possible() -> None:
    for prefix in ("stocky", "home-stocky"):
        assert (_settings(prefix).client_id, _settings(prefix).node) == (prefix, prefix)

"""Sensors for Home Assistant: what is published, and under which topics; all of it is retained.

A sensor has a configuration, which Home Assistant discovers, and a state. What is published is compared with what was,
so that only changes are sent, and the sensors of items that no longer have the tag are removed.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from stocky import __version__
from stocky.alerts.attention import count_attention
from stocky.alerts.schemas import AlertCause
from stocky.backup.service import Backups
from stocky.catalogue.repository import ItemFilter, list_items
from stocky.catalogue.schemas import Item
from stocky.db import Database
from stocky.mqtt.settings import MqttSettings

# Items with a sensor: more are a mistake, and each is an entity in Home Assistant.
MAX_ITEMS = 500
# The state of a sensor without a value.
_UNKNOWN = "None"
_ITEM = re.compile(r"item_[0-9]+")


class Sensor(Struct, frozen=True):
    """`name` is that within the device, `state` what is shown, and `details` are more of the configuration."""

    name: str
    title: str
    state: str
    details: dict[str, str]


async def read_sensors(database: Database, backups: Backups, tag: str) -> list[Sensor]:
    """The sensors with their current states. Raises Unavailable."""
    async with database.read() as read:
        counts = {each.name: each.count for each in await count_attention(read)}
        items = await list_items(read, ItemFilter(tag=tag), skip=0, limit=MAX_ITEMS) if tag else []
    good = next((each for each in await backups.list_backups() if each.is_good), None)
    return [
        Sensor(
            "low_stock",
            "Low stock items",
            str(counts[AlertCause.LOW_STOCK]),
            {"state_class": "measurement", "unit_of_measurement": "items", "icon": "mdi:cart-arrow-down"},
        ),
        Sensor(
            "last_backup",
            "Last good backup",
            _UNKNOWN if good is None else good.created_at.isoformat(),
            {"device_class": "timestamp", "entity_category": "diagnostic"},
        ),
        *(_of_item(item) for item in items),
    ]


def _of_item(item: Item) -> Sensor:
    total = item.total_quantity
    # An item that has never had stock has no unit.
    unit = {"unit_of_measurement": item.unit} if item.unit else {}
    return Sensor(
        f"item_{item.id}",
        item.name,
        str(int(total) if total == int(total) else total),
        {"state_class": "measurement", "icon": "mdi:package-variant-closed"} | unit,
    )


def is_of_item(name: str) -> bool:
    """Whether a sensor is that of an item, which ends with its tag; others under the same topic may not be Stocky's."""
    return _ITEM.fullmatch(name) is not None


class Topics:
    """The topics of one Stocky."""

    def __init__(self, settings: MqttSettings) -> None:
        self.status = f"{settings.prefix}/status"
        self._settings = settings
        self._discovery = f"{settings.discovery_prefix}/sensor/{settings.node}/" if settings.discovery_prefix else None
        self.configurations = f"{self._discovery}+/config" if self._discovery else None

    def state(self, name: str) -> str:
        return f"{self._settings.prefix}/sensor/{name}"

    def configuration(self, name: str) -> str | None:
        """The topic of a sensor's configuration; None without discovery."""
        return f"{self._discovery}{name}/config" if self._discovery else None

    def configured(self, topic: str) -> str | None:
        """The name of the sensor whose configuration has this topic; None for any other topic."""
        if self._discovery is None or not topic.startswith(self._discovery) or not topic.endswith("/config"):
            return None
        return topic.removeprefix(self._discovery).removesuffix("/config")

    def messages(self, sensors: list[Sensor]) -> dict[str, str]:
        """The payload of each topic."""
        messages: dict[str, str] = {}
        for sensor in sensors:
            configuration = self.configuration(sensor.name)
            if configuration is not None:
                messages[configuration] = msgspec.json.encode(self._describe(sensor)).decode()
            messages[self.state(sensor.name)] = sensor.state
        return messages

    def _describe(self, sensor: Sensor) -> dict[str, Any]:
        prefix = self._settings.prefix
        return {
            "name": sensor.title,
            "unique_id": f"{self._settings.node}_{sensor.name}",
            "state_topic": self.state(sensor.name),
            "availability_topic": self.status,
            **sensor.details,
            "device": {
                "identifiers": [f"stocky_{self._settings.node}"],
                "name": "Stocky" if prefix == "stocky" else f"Stocky ({prefix})",
                "manufacturer": "Stocky",
                "sw_version": __version__,
            },
            "origin": {"name": "Stocky", "sw_version": __version__},
        }

"""Sensors for Home Assistant: discovered, published after changes, and removed with their items."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

import aiomqtt
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.config import Config, load
from stocky.mqtt import service
from tests.backup.dumps import done
from tests.inventory import get, made, new_item, new_location, new_stock
from tests.mosquitto import Mosquitto, client
from tests.mqtt.conftest import until

CONFIGURATIONS = "homeassistant/sensor/stocky/"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(service, "TOGETHER_SECONDS", 0.05)


class Listener:
    """What the broker has retained: the payloads of topics, without those that are empty."""

    def __init__(self, connection: aiomqtt.Client) -> None:
        self.retained: dict[str, str] = {}
        self._connection = connection

    async def listen(self) -> None:
        async for message in self._connection.messages:
            topic, text = str(message.topic), bytes(message.payload).decode()
            if text:
                self.retained[topic] = text
            else:
                self.retained.pop(topic, None)

    def sensor(self, name: str) -> str | None:
        """The state of a sensor, found as Home Assistant does."""
        configuration = self.retained.get(f"{CONFIGURATIONS}{name}/config")
        return None if configuration is None else self.retained.get(json.loads(configuration)["state_topic"])


@pytest.fixture
async def listener(broker: Mosquitto) -> Any:
    async with client(broker, "homeassistant/#", "stocky/#") as connection:
        listener = Listener(connection)
        listening = asyncio.create_task(listener.listen())
        yield listener
        listening.cancel()


async def test_sensors_are_discovered(app: Litestar, listener: Listener) -> None:
    await until(lambda: listener.sensor("low_stock") == "0" and listener.sensor("last_backup") == "None")
    low = json.loads(listener.retained[f"{CONFIGURATIONS}low_stock/config"])
    assert (low["unique_id"], low["name"], low["state_class"]) == ("stocky_low_stock", "Low stock items", "measurement")
    assert low["availability_topic"] == "stocky/status"
    assert listener.retained["stocky/status"] == "online"
    backup = json.loads(listener.retained[f"{CONFIGURATIONS}last_backup/config"])
    assert backup["device_class"] == "timestamp"
    assert backup["device"] == low["device"]
    assert low["device"]["name"] == "Stocky"
    # Nothing else, before an item has the tag.
    assert len([topic for topic in listener.retained if topic.endswith("/config")]) == 2


async def test_states_follow_the_stock(app: Litestar, member: AsyncClient, listener: Listener) -> None:
    item = await new_item(member, "Coffee", min_quantity=2, tags=["watched"])
    other = await new_item(member, "Tea")
    shelf = await new_location(member)
    sku = await new_stock(member, item, shelf, 2.5, unit="kg")
    await new_stock(member, other, shelf, 1)
    name = f"item_{item['id']}"
    await until(lambda: listener.sensor(name) == "2.5")
    configuration = json.loads(listener.retained[f"{CONFIGURATIONS}{name}/config"])
    assert (configuration["name"], configuration["unit_of_measurement"]) == ("Coffee", "kg")
    assert listener.sensor(f"item_{other['id']}") is None
    await until(lambda: listener.sensor("low_stock") == "0")
    made(await member.post(f"/skus/{sku['id']}/adjust", json={"delta": -1.5}))
    await until(lambda: listener.sensor(name) == "1" and listener.sensor("low_stock") == "1")


async def test_sensor_of_an_item_ends_with_its_tag(app: Litestar, member: AsyncClient, listener: Listener) -> None:
    item = await new_item(member, "Coffee", tags=["watched"])
    await until(lambda: listener.sensor(f"item_{item['id']}") == "0")
    made(await member.put(f"/items/{item['id']}", json={"tags": []}))
    await until(lambda: listener.sensor(f"item_{item['id']}") is None)
    await until(lambda: not [topic for topic in listener.retained if "item_" in topic])


async def test_sensor_of_an_item_that_lost_its_tag_meanwhile_is_removed(
    app: Litestar, member: AsyncClient, listener: Listener
) -> None:
    item = await new_item(member, "Coffee", tags=["watched"])
    await until(lambda: listener.sensor(f"item_{item['id']}") == "0")
    await app.state.mqtt.close()
    made(await member.put(f"/items/{item['id']}", json={"tags": []}))
    app.state.mqtt.start()
    await until(lambda: listener.sensor(f"item_{item['id']}") is None)


async def test_sensor_that_is_not_of_stocky_stays(app: Litestar, member: AsyncClient, broker: Mosquitto) -> None:
    await until(lambda: app.state.mqtt.state == "connected")
    await app.state.mqtt.close()
    async with client(broker, f"{CONFIGURATIONS}#") as connection:
        listener = Listener(connection)
        listening = asyncio.create_task(listener.listen())
        # One of another program, and one of an item that lost its tag, which ends.
        for name in ("door", "item_x", "item_99"):
            await connection.publish(f"{CONFIGURATIONS}{name}/config", "{}", qos=1, retain=True)
        await until(lambda: f"{CONFIGURATIONS}item_99/config" in listener.retained)
        app.state.mqtt.start()
        await until(lambda: f"{CONFIGURATIONS}item_99/config" not in listener.retained)
        assert {f"{CONFIGURATIONS}door/config", f"{CONFIGURATIONS}item_x/config"} <= listener.retained.keys()
        listening.cancel()


async def test_last_good_backup_is_its_time(app: Litestar, admin: AsyncClient, listener: Listener) -> None:
    await until(lambda: listener.sensor("last_backup") == "None")
    await done(admin, await admin.post("/system/backup", json={"kind": "sql", "verify": True}))
    [backup] = await get(admin, "/system/backup/list")
    made_at = datetime.fromisoformat(backup["created_at"])
    await until(lambda: listener.sensor("last_backup") != "None")
    assert datetime.fromisoformat(listener.sensor("last_backup") or "") == made_at


async def test_broker_that_forgot_everything_gets_it_again(app: Litestar, broker: Mosquitto) -> None:
    await until(lambda: app.state.mqtt.state == "connected")
    broker.kill()
    (broker.directory / "mosquitto.db").unlink(missing_ok=True)
    broker.start()
    async with client(broker, "homeassistant/#", "stocky/#") as connection:
        listener = Listener(connection)
        listening = asyncio.create_task(listener.listen())
        await until(lambda: listener.sensor("low_stock") == "0" and listener.retained.get("stocky/status") == "online")
        listening.cancel()


class TestWithoutDiscovery:
    """With other topics, and no configuration."""

    @pytest.fixture
    def config(self, mqtt_environ: dict[str, str]) -> Config:
        return load(mqtt_environ | {"STOCKY_MQTT_PREFIX": "home/stock", "STOCKY_MQTT_DISCOVERY_PREFIX": "off"})

    async def test_states_are_published_under_the_prefix(self, app: Litestar, broker: Mosquitto) -> None:
        async with client(broker, "#") as connection:
            listener = Listener(connection)
            listening = asyncio.create_task(listener.listen())
            await until(lambda: listener.retained.get("home/stock/sensor/low_stock") == "0")
            assert listener.retained["home/stock/status"] == "online"
            assert {topic.partition("/")[0] for topic in listener.retained} == {"home"}
            listening.cancel()

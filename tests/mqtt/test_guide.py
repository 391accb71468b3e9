"""The page about MQTT: its messages, its broker's settings and access rules, and its automations do what it says."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from httpx import AsyncClient
from jinja2 import Environment, StrictUndefined
from litestar import Litestar

from stocky.config import Config, load
from tests.inventory import new_item, new_location, new_stock, total
from tests.mosquitto import Mosquitto, client, mosquitto, next_message
from tests.mqtt.conftest import UPC, MqttScanner, hashed_passwords, until
from tests.serving import ROOT

GUIDE = (ROOT / "docs" / "mqtt.md").read_text("utf-8")

pytestmark = pytest.mark.one_database


def _block(language: str) -> str:
    [block] = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return str(block)


def _render(template: str, **values: Any) -> str:
    return Environment(undefined=StrictUndefined, autoescape=False).from_string(template).render(**values)


@pytest.fixture
async def item(app: Litestar, member: AsyncClient) -> dict[str, Any]:
    await until(lambda: app.state.mqtt.state == "connected")
    return await new_item(member, upc=UPC)


async def test_example_of_a_scan_is_recorded(
    member: AsyncClient, scanner: AsyncClient, item: dict[str, Any], broker: Mosquitto
) -> None:
    shelf = await new_location(member)
    await scanner.put("/scanner/m1/state", json={"location_id": shelf["id"]})
    async with client(broker, "stocky/result/m1") as connection:
        robot = MqttScanner(connection)
        await robot.send(_block("json").encode())
        assert (await robot.result())["success"] is True
    assert await total(member, item) == 2


async def test_automation_takes_one_and_shows_it(
    member: AsyncClient, scanner: AsyncClient, item: dict[str, Any], broker: Mosquitto
) -> None:
    shelf = await new_location(member)
    await new_stock(member, item, shelf, 2)
    state = {"mode": "remove", "location_id": shelf["id"]}
    assert json.dumps({"mode": "remove", "location_id": 1}) in GUIDE
    assert (await scanner.put("/scanner/home-assistant/state", json=state)).status_code == 200
    take, show = yaml.safe_load(_block("yaml"))["automation"]
    event = {"data": {"tag_id": UPC}, "context": {"id": "01JD0000000000000000000000"}}
    [action] = take["actions"]
    async with client(broker, show["triggers"][0]["topic"]) as connection:
        payload = _render(action["data"]["payload"], trigger={"event": event})
        await connection.publish(action["data"]["topic"], payload, action["data"]["qos"])
        result = json.loads(bytes((await next_message(connection)).payload))
        assert result["success"] is True
        template = show["actions"][0]["data"]["message"]
        text = Environment(autoescape=False).from_string(template).render(trigger={"payload_json": result})
        assert text.startswith("Coffee: 1 taken")
        await connection.publish(action["data"]["topic"], "nonsense", 1)
        problem = json.loads(bytes((await next_message(connection)).payload))
        text = Environment(autoescape=False).from_string(template).render(trigger={"payload_json": problem})
        assert text.startswith("The body is not valid JSON")
    assert await total(member, item) == 1


def test_mosquitto_starts_with_the_settings(broker: Mosquitto, tmp_path: Path) -> None:
    with mosquitto(tmp_path / "as-in-the-guide", f"allow_anonymous true\n{_block('conf')}"):
        pass


class TestWithAccessRules:
    """With the access rules that the page names, and no others."""

    @pytest.fixture
    def config(self, mqtt_environ: dict[str, str], broker: Mosquitto, tmp_path: Path) -> Config:
        passwords = hashed_passwords(tmp_path, ada="secret", robot="secret")
        [rules] = re.findall(r"Stocky's user (reads .*?)\.", GUIDE, re.DOTALL)
        read, written = rules.split("writes")
        lines = ["user robot", "topic readwrite #", "user ada"]
        lines += [f"topic read {each}" for each in re.findall(r"`(.*?)`", read)]
        lines += [f"topic write {each}" for each in re.findall(r"`(.*?)`", written)]
        (tmp_path / "rules").write_text("\n".join(lines) + "\n")
        broker.stop()
        broker.configure(f"allow_anonymous false\npassword_file {passwords}\nacl_file {tmp_path}/rules")
        broker.start()
        return load(mqtt_environ | {"STOCKY_MQTT_URL": broker.url.replace("://", "://ada:secret@")})

    async def test_they_are_enough(self, app: Litestar, item: dict[str, Any], broker: Mosquitto) -> None:
        topics = ("stocky/#", "homeassistant/#")
        retained = {}
        async with client(broker, *topics, username="robot", password="secret") as connection:
            async with asyncio.timeout(20):
                while {"stocky/status", "stocky/sensor/last_backup"} - retained.keys() or len(retained) < 5:
                    message = await next_message(connection)
                    retained[str(message.topic)] = message.payload
            await connection.publish("stocky/scan/m1", json.dumps({"upc": UPC, "event_id": "a"}), 1)
            while str(message.topic) != "stocky/result/m1":
                message = await next_message(connection)
        assert json.loads(bytes(message.payload))["item"]["id"] == item["id"]

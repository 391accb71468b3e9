"""A Stocky that is connected to a Mosquitto of its own, and a scanner that speaks MQTT."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from litestar import Litestar

from stocky.config import Config, load
from tests.mosquitto import MISSING, PROGRAM, Mosquitto, client, mosquitto, next_message

UPC = "4006381333931"


async def until(is_so: Callable[[], Any], seconds: float = 20) -> None:
    """Waits until a condition, which may be asynchronous, is true."""
    deadline = time.monotonic() + seconds
    while True:
        found = is_so()
        if await found if isinstance(found, Awaitable) else found:
            return
        assert time.monotonic() < deadline, f"it is not so after {seconds} s"
        await asyncio.sleep(0.02)


def hashed_passwords(directory: Path, **passwords: str) -> Path:
    """The file of Mosquitto's users."""
    file = directory / "passwords"
    file.write_text("".join(f"{user}:{password}\n" for user, password in passwords.items()))
    # Hashes the passwords in the file.
    subprocess.run(["mosquitto_passwd", "-U", file], check=True)
    return file


class MqttScanner:
    """Publishes scans, and reads their results in order."""

    def __init__(self, connection: aiomqtt.Client, scanner_id: str = "m1") -> None:
        self.connection = connection
        self.scanner_id = scanner_id

    async def send(self, body: Any, *, qos: int = 1, **properties: Any) -> None:
        payload = body if isinstance(body, bytes) else msgspec.json.encode(body)
        await self.connection.publish(f"stocky/scan/{self.scanner_id}", payload, qos=qos, **properties)

    async def result(self) -> dict[str, Any]:
        answer: dict[str, Any] = msgspec.json.decode((await self.message()).payload)
        return answer

    async def message(self) -> aiomqtt.Message:
        return await next_message(self.connection)

    async def scan(self, upc: str = UPC, event_id: str | None = None, **more: Any) -> dict[str, Any]:
        await self.send({"upc": upc, "event_id": event_id or f"event {time.monotonic_ns()}", **more})
        return await self.result()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if PROGRAM is None:
        pytest.skip(MISSING)
    with mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def mqtt_environ(environ: dict[str, str], broker: Mosquitto, keys: dict[str, str]) -> dict[str, str]:
    """The settings of a Stocky that is connected to the broker."""
    return environ | {
        "STOCKY_MQTT_URL": broker.url,
        "STOCKY_MQTT_API_KEY": keys["scanner"],
        "STOCKY_MQTT_TAG": "watched",
    }


@pytest.fixture
def config(mqtt_environ: dict[str, str]) -> Config:
    return load(mqtt_environ)


@pytest.fixture
async def mqtt_scanner(app: Litestar, broker: Mosquitto) -> AsyncIterator[MqttScanner]:
    """The scanner m1, once Stocky is connected."""
    await until(lambda: app.state.mqtt.state == "connected")
    async with client(broker, "stocky/result/m1") as connection:
        yield MqttScanner(connection)

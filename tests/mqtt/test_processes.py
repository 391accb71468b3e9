"""Real processes: of several on one Postgres one is connected, and another one takes over from a killed one."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.mosquitto import Mosquitto, client
from tests.mqtt.conftest import MqttScanner, until
from tests.serving import Server, serve

# A process tries sooner than in five seconds to take over.
IMPATIENT = (
    sys.executable,
    "-c",
    "import sys; import stocky.mqtt.service as s; s.STANDBY_SECONDS = 0.2;"
    " from stocky.cli import main; sys.exit(main())",
)

pytestmark = [pytest.mark.one_server, pytest.mark.slow]


def _state(server: Server) -> str:
    state: str = httpx.get(f"{server.url}/health/ready").json()["details"]["mqtt"]
    return state


async def test_one_of_two_processes_is_connected_and_the_other_takes_over(
    mqtt_environ: dict[str, str], dialect: str, broker: Mosquitto, tmp_path: Path
) -> None:
    if dialect == "sqlite":
        pytest.skip("only one process can serve a SQLite file")
    with ExitStack() as stack:
        first = stack.enter_context(serve(mqtt_environ, tmp_path, command=IMPATIENT))
        await until(lambda: _state(first) == "connected")
        second = stack.enter_context(serve(mqtt_environ, tmp_path, command=IMPATIENT))
        await until(lambda: _state(second) == "another process is connected")
        async with client(broker, "stocky/result/m1") as connection:
            scanner = MqttScanner(connection)
            assert (await scanner.scan(event_id="a"))["success"] is True
            await asyncio.to_thread(first.kill)
            await scanner.send({"upc": "4006381333931", "event_id": "b"})
            assert (await scanner.result())["success"] is True
            assert _state(second) == "connected"

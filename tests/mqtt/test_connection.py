"""The connection to the broker: it is tried again, and monitoring says whether there is one."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from stocky.app import attach
from stocky.config import load
from stocky.mqtt import service
from stocky.services import Services
from tests.conftest import _make_routes_once, started
from tests.inventory import get
from tests.mosquitto import Mosquitto, client, mosquitto, next_message
from tests.mqtt.conftest import MqttScanner, hashed_passwords, until
from tests.proxies import make_certificate

Run = Callable[..., AbstractAsyncContextManager[Litestar]]

PLUGIN = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"), None)

pytestmark = pytest.mark.one_database


@pytest.fixture
def run(mqtt_environ: dict[str, str]) -> Run:
    """`async with run(STOCKY_…=…) as app:` runs a Stocky with these settings besides those of the tests."""

    @asynccontextmanager
    async def run(environ: dict[str, str], **more: str) -> AsyncIterator[Litestar]:
        config = load(environ | more)
        async with started(attach(_make_routes_once(config.allowed_origins), Services(config))) as app:
            yield app

    return partial(run, mqtt_environ)


async def _ready(app: Litestar) -> tuple[int, str]:
    """The status of readiness, and what it says of MQTT."""
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as root:
        answer = await root.get("/health/ready")
    return answer.status_code, answer.json()["details"]["mqtt"]


async def _metric(app: Litestar, name: str) -> float:
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as root:
        lines = (await root.get("/metrics")).text.splitlines()
    [value] = [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]
    return float(value)


async def test_connection_comes_back_after_the_broker_does(
    run: Run, broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    broker.stop()
    async with run() as app:
        await until(lambda: "cannot be reached" in app.state.mqtt.state)
        assert await _ready(app) == (200, app.state.mqtt.state)
        assert str(broker.port) not in app.state.mqtt.state
        assert await _metric(app, "stocky_mqtt_connected") == 0
        await asyncio.sleep(1)
        failures = [each for each in caplog.messages if "'mqtt' failed" in each]
        assert len(failures) == 1
        broker.start()
        await until(lambda: app.state.mqtt.state == "connected")
        assert await _ready(app) == (200, "connected")
        assert await _metric(app, "stocky_mqtt_connected") == 1
        async with client(broker, "stocky/result/m1") as connection:
            assert (await MqttScanner(connection).scan())["success"] is True
        assert await _metric(app, "stocky_mqtt_scans_answered_total") == 1
        broker.kill()
        await until(lambda: app.state.mqtt.state != "connected")
        broker.start()
        await until(lambda: app.state.mqtt.state == "connected")


async def test_alert_is_raised_without_a_connection_and_resolved_with_one(
    run: Run, broker: Mosquitto, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ALERT_SECONDS", 0.0)
    monkeypatch.setattr(service, "CHECK_SECONDS", 0.1)
    broker.stop()

    async def messages(app: Litestar) -> list[str]:
        transport = ASGITransport(app=app)
        async with AsyncClient(
            transport=transport, base_url="http://test/api/v1", headers={"X-API-Key": keys["member"]}
        ) as member:
            alerts = await get(member, "/alerts/", active_only=True)
        return [each["message"] for each in alerts if each["alert_type"] == "mqtt_disconnected"]

    async with run() as app:

        async def is_raised() -> bool:
            return bool(await messages(app))

        async def is_resolved() -> bool:
            return not await messages(app)

        await until(is_raised)
        assert (await messages(app))[0].startswith("MQTT is not connected: ")
        broker.start()
        await until(is_resolved)


async def test_refusals_of_the_broker_are_named(run: Run, broker: Mosquitto, tmp_path: Path) -> None:
    passwords = hashed_passwords(tmp_path, ada="p@ss/word")
    broker.stop()
    broker.configure(f"allow_anonymous false\npassword_file {passwords}")
    broker.start()
    url = broker.url.replace("mqtt://", "mqtt://ada:{}@")
    for wrong in (broker.url, url.format("wrong")):
        async with run(STOCKY_MQTT_URL=wrong) as app:
            await until(
                lambda app=app: "refuses the user or the password; check STOCKY_MQTT_URL" in app.state.mqtt.state
            )
    async with run(STOCKY_MQTT_URL=url.format("p%40ss%2Fword")) as app:
        await until(lambda: app.state.mqtt.state == "connected")


async def test_broker_that_never_answers_is_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stocky.mqtt.client.TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with run(STOCKY_MQTT_URL=f"mqtt://127.0.0.1:{silent.getsockname()[1]}") as app:
            await until(lambda: "cannot be reached (no answer in time)" in app.state.mqtt.state)
            # Each attempt closes its socket.
            silent.settimeout(5)
            attempt, _ = await asyncio.to_thread(silent.accept)
            attempt.settimeout(5)
            with attempt:
                while await asyncio.to_thread(attempt.recv, 4096):
                    pass


async def test_key_that_may_not_scan_is_named(run: Run, keys: dict[str, str]) -> None:
    async with run(STOCKY_MQTT_API_KEY=keys["reader"]) as app:
        await until(lambda: "its user has the role read_only, which may not scan" in app.state.mqtt.state)
    async with run(STOCKY_MQTT_API_KEY="stk_abc123_unknown") as app:
        await until(lambda: "the key was revoked, or has expired" in app.state.mqtt.state)
        assert keys["scanner"] not in app.state.mqtt.state


async def test_taken_over_session_names_the_client_id_and_the_setting(
    run: Run, broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    async with run() as app:
        await until(lambda: app.state.mqtt.state == "connected")
        async with client(broker, identifier="stocky"):
            await until(
                lambda: "no other client uses the client id stocky, which is made of STOCKY_MQTT_PREFIX" in caplog.text
            )
            await until(lambda: app.state.mqtt.state == "connected")


async def test_without_aiomqtt_one_line_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "find_spec", lambda _: None)
    async with run() as app:
        assert await _ready(app) == (200, service.NEEDS_AIOMQTT)
    assert [each for each in caplog.messages if "aiomqtt" in each] == [service.NEEDS_AIOMQTT]
    assert "pip install aiomqtt" in service.NEEDS_AIOMQTT


# paho-mqtt leaves the socket of a refused certificate to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_connection_over_tls(run: Run, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    tls = f"allow_anonymous true\ncertfile {certificate.file}\nkeyfile {certificate.key}"
    # Without the certificate's authority first.
    with mosquitto(tmp_path / "tls", tls) as broker:
        url = broker.url.replace("mqtt://", "mqtts://")
        async with run(STOCKY_MQTT_URL=url) as app:
            await until(lambda: "CERTIFICATE_VERIFY_FAILED" in app.state.mqtt.state)
        # Now, or its warning would fail a later test.
        gc.collect()
        async with run(STOCKY_MQTT_URL=url, STOCKY_MQTT_CA=str(certificate.file)) as app:
            await until(lambda: app.state.mqtt.state == "connected")


async def test_result_that_the_broker_refuses_is_reported(
    run: Run, broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Mosquitto 2.0 then ends the connection, other brokers do not."""
    rules = ("topic read #", "topic write stocky/scan/#", "topic write stocky/status", "topic write stocky/sensor/#")
    (tmp_path / "rules").write_text("\n".join(rules) + "\n")
    broker.stop()
    broker.configure(f"allow_anonymous true\nacl_file {tmp_path}/rules")
    broker.start()
    async with run(STOCKY_MQTT_DISCOVERY_PREFIX="off") as app:
        await until(lambda: app.state.mqtt.state == "connected")
        async with client(broker) as connection:
            await MqttScanner(connection).send({"upc": "4006381333931", "event_id": "a"})
        await until(lambda: app.state.mqtt.counts.unpublished >= 1)
        assert "the broker refuses what Stocky publishes (Not authorized)" in (await _ready(app))[1]
        assert await _metric(app, "stocky_mqtt_unpublished_total") >= 1
        assert len([each for each in caplog.messages if "refuses what Stocky publishes" in each]) == 1


async def test_status_says_whether_stocky_is_connected(run: Run, broker: Mosquitto) -> None:
    async with client(broker, "stocky/status") as listener:

        async def status() -> Any:
            return bytes((await next_message(listener)).payload)

        async with run():
            assert await status() == b"online"
        assert await status() == b"offline"


@pytest.mark.skipif(PLUGIN is None, reason="without its plugin for access rules Mosquitto refuses no subscription")
async def test_subscription_that_the_broker_does_not_allow_is_named(
    run: Run, broker: Mosquitto, tmp_path: Path
) -> None:
    access = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    (tmp_path / "access.json").write_text(json.dumps({"defaultACLAccess": access}))
    broker.stop()
    broker.configure(f"allow_anonymous true\nplugin {PLUGIN}\nplugin_opt_config_file {tmp_path}/access.json")
    broker.start()
    async with run(STOCKY_MQTT_DISCOVERY_PREFIX="off") as app:
        await until(lambda: "does not allow Stocky to subscribe to stocky/scan/+" in app.state.mqtt.state)

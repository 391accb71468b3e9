"""Scans over MQTT: the answers of HTTP, and each scan counts once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from stocky.config import Config
from stocky.mqtt.client import MAX_IN_FLIGHT
from tests.inventory import get, new_item, new_location, refused, total
from tests.mosquitto import Mosquitto, client
from tests.mqtt.conftest import UPC, MqttScanner, until

Json = dict[str, Any]
# Deep enough to be refused, whatever the recursion limit.
DEEP = b'{"upc": ' + b"[" * 60_000
WRONG = [
    b"not JSON",
    b"[1]",
    b"7",
    b'{"upc": ""}',
    b'{"upc": 7}',
    b'{"event_id": "a"}',
    b'{"upc": "\\u0000"}',
    b'{"upc": "  "}',
    b'{"upc": "4006381333931", "event_id": ""}',
    b'{"upc": "4006381333931", "event_id": "a", "quantity": -1}',
    b'{"upc": "4006381333931", "event_id": "a", "quantity": 1.23456}',
    b'{"upc": "4006381333931", "event_id": "a", "scanned_at": "yesterday"}',
    b'{"upc": "\xff", "event_id": "a"}',
    b'{"upc": "{\\"command\\": \\"dance\\"}", "event_id": "a"}',
    b'{"upc": "{\\"command\\": \\"set_location\\", \\"payload\\": {\\"location_id\\": 99}}", "event_id": "a"}',
    DEEP,
]


def command(name: str, /, **payload: Any) -> str:
    return json.dumps({"command": name, "payload": payload})


@pytest.fixture
async def item(member: AsyncClient, scanner: AsyncClient) -> Json:
    """An item, and a scanner m1 that adds it to a shelf."""
    item: Json = await new_item(member, upc=UPC)
    shelf = await new_location(member)
    for scanner_id in ("m1", "m2"):
        await scanner.put(f"/scanner/{scanner_id}/state", json={"mode": "add", "location_id": shelf["id"]})
    return item


async def test_result_is_that_of_http(scanner: AsyncClient, item: Json, mqtt_scanner: MqttScanner) -> None:
    over_mqtt = await mqtt_scanner.scan(event_id="a", quantity=2)
    assert (over_mqtt["success"], over_mqtt["duplicate"], over_mqtt["event"]["delta"]) == (True, False, 2)
    assert over_mqtt["scanner_state"]["scanner_id"] == "m1"
    # The same scan, whichever way it comes.
    body = {"upc": UPC, "event_id": "a", "quantity": 2, "scanner_id": "m1"}
    over_http = (await scanner.post("/scanner/scan", json=body)).json()
    assert over_http.keys() == over_mqtt.keys()
    assert (over_http["duplicate"], over_http["event"]) == (True, over_mqtt["event"])
    assert (await mqtt_scanner.scan(event_id="a", quantity=2, scanner_id="m1"))["duplicate"] is True
    assert await total(scanner, item) == 2


async def test_problems_are_those_of_http(scanner: AsyncClient, item: Json, mqtt_scanner: MqttScanner) -> None:
    for body in WRONG:
        answer = await scanner.post("/scanner/scan", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 404, 422), (body, answer.text)
        await mqtt_scanner.send(body)
        assert await mqtt_scanner.result() == answer.json()


async def test_scan_without_event_id_is_rejected(scanner: AsyncClient, item: Json, mqtt_scanner: MqttScanner) -> None:
    await mqtt_scanner.send({"upc": UPC})
    problem = await mqtt_scanner.result()
    assert (problem["status"], problem["errors"][0]["field"]) == (422, "event_id")
    assert "send a new UUID" in problem["detail"]
    assert await total(scanner, item) == 0


async def test_other_problems_of_mqtt(item: Json, mqtt_scanner: MqttScanner) -> None:
    await mqtt_scanner.send({"upc": UPC, "event_id": "a", "scanner_id": "m2"})
    assert "'m1' as in the topic" in (await mqtt_scanner.result())["detail"]
    await mqtt_scanner.send(b"")
    assert (await mqtt_scanner.result())["detail"] == "body: is missing; send a JSON document"
    await mqtt_scanner.send(b"x" * 70_000)
    assert (await mqtt_scanner.result())["status"] == 413


async def test_broker_discards_messages_far_too_large(app: Litestar, item: Json, mqtt_scanner: MqttScanner) -> None:
    await mqtt_scanner.send(b"x" * 140_000)
    assert (await mqtt_scanner.scan())["success"] is True
    assert app.state.mqtt.counts.refused == 0


async def test_invalid_message_is_acknowledged_and_comes_once(
    app: Litestar, item: Json, mqtt_scanner: MqttScanner
) -> None:
    for _ in range(2 * MAX_IN_FLIGHT):
        await mqtt_scanner.send(b"poison")
        assert (await mqtt_scanner.result())["status"] == 400
    assert (await mqtt_scanner.scan())["success"] is True
    await until(lambda: app.state.mqtt.counts.in_flight == 0)


async def test_message_with_an_impossible_scanner_id_is_acknowledged(
    app: Litestar, item: Json, broker: Mosquitto, mqtt_scanner: MqttScanner, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one whose result would have a topic longer than MQTT allows, which must not end the connection."""
    for scanner_id in ("x" * (65_534 - len("stocky/scan/")), "x" * 129, " ", ""):
        await MqttScanner(mqtt_scanner.connection, scanner_id).send({"upc": UPC, "event_id": "a"})
    await until(lambda: app.state.mqtt.counts.dropped == 4)
    assert (await mqtt_scanner.scan())["success"] is True
    await until(lambda: app.state.mqtt.counts.in_flight == 0)
    [logged] = [each for each in caplog.messages if "its scanner id is not valid" in each]
    assert len(logged) < 500
    assert not [each for each in caplog.messages if "'mqtt' failed" in each]


async def test_scans_of_one_scanner_are_recorded_in_order(
    scanner: AsyncClient, item: Json, mqtt_scanner: MqttScanner
) -> None:
    """Published without waiting: each command counts for the scans after it."""
    for number in range(20):
        await mqtt_scanner.send({"upc": command("set_mode", mode="add"), "event_id": f"add {number}"})
        await mqtt_scanner.send({"upc": UPC, "event_id": f"two {number}", "quantity": 2})
        await mqtt_scanner.send({"upc": command("set_mode", mode="remove"), "event_id": f"remove {number}"})
        await mqtt_scanner.send({"upc": UPC, "event_id": f"one {number}", "quantity": 1})
    modes = [(await mqtt_scanner.result())["mode"] for _ in range(80)]
    assert modes == ["add", "add", "remove", "remove"] * 20
    assert await total(scanner, item) == 20


async def test_command_that_comes_again_changes_nothing(
    scanner: AsyncClient, item: Json, mqtt_scanner: MqttScanner
) -> None:
    first = await mqtt_scanner.scan(command("set_mode", mode="remove"), "a")
    await mqtt_scanner.scan(command("set_mode", mode="add"), "b")
    again = await mqtt_scanner.scan(command("set_mode", mode="remove"), "a")
    assert (first["mode"], first["duplicate"], first["message"]) == ("remove", False, "Mode: remove")
    assert (again["mode"], again["duplicate"], again["message"]) == ("add", True, "Mode: remove")

    # What the next scan counts is used up once.
    await mqtt_scanner.scan(command("set_next_quantity", quantity=5), "c")
    await mqtt_scanner.scan(UPC, "d")
    await mqtt_scanner.scan(command("set_next_quantity", quantity=5), "c")
    await mqtt_scanner.scan(UPC, "e")
    assert await total(scanner, item) == 6


@pytest.mark.parametrize(
    ("before", "upc"),
    [
        ({"mode": "lookup"}, UPC),
        ({"mode": "lookup"}, "96385074"),
        ({"mode": "add", "location_id": None}, UPC),
        ({"mode": "count"}, UPC),
    ],
    ids=["looked up", "unknown", "without a location", "open count"],
)
async def test_scan_that_booked_nothing_books_nothing_when_it_comes_again(
    scanner: AsyncClient, item: Json, mqtt_scanner: MqttScanner, before: Json, upc: str
) -> None:
    location_id = (await get(scanner, "/scanner/status/m1"))["location_id"]
    items = len(await get(scanner, "/items/"))
    assert (await scanner.put("/scanner/m1/state", json=before)).status_code == 200
    first = await mqtt_scanner.scan(upc, "a")
    state = {"mode": "add", "location_id": location_id}
    assert (await scanner.put("/scanner/m1/state", json=state)).status_code == 200
    again = await mqtt_scanner.scan(upc, "a")
    assert (first["success"], first["duplicate"], first["event"]) == (True, False, None)
    assert (again["success"], again["duplicate"], again["event"]) == (True, True, None)
    assert (again["message"], again["mode"]) == (first["message"], "add")
    assert await total(scanner, item) == 0
    assert len(await get(scanner, "/items/")) == items
    assert (await mqtt_scanner.scan(command("set_mode", mode="add"), "a"))["status"] == 409
    refused(await scanner.get("/events/by-event-id/a"), 404, "is that of a scan that booked nothing")
    assert (await mqtt_scanner.scan(UPC, "b"))["event"]["delta"] == 1


async def test_event_id_of_a_command_is_no_others(scanner: AsyncClient, item: Json, mqtt_scanner: MqttScanner) -> None:
    await mqtt_scanner.scan(command("set_mode", mode="add"), "a")
    for other in (UPC, command("set_mode", mode="remove")):
        problem = await mqtt_scanner.scan(other, "a")
        assert (problem["status"], problem["type"]) == (409, "/problems/event-id-reused")
    refused(await scanner.get("/events/by-event-id/a"), 404, "is that of a command, which is no event: Mode: add")
    await mqtt_scanner.scan(UPC, "b")
    assert (await mqtt_scanner.scan(command("set_mode", mode="remove"), "b"))["status"] == 409
    assert (await get(scanner, "/scanner/status/m1"))["mode"] == "add"


async def test_undo_that_comes_again_undoes_once(scanner: AsyncClient, item: Json, mqtt_scanner: MqttScanner) -> None:
    for event_id in ("a", "b"):
        await mqtt_scanner.scan(UPC, event_id)
    assert (await mqtt_scanner.scan(command("undo"), "u"))["duplicate"] is False
    assert (await mqtt_scanner.scan(command("undo"), "u"))["duplicate"] is True
    assert await total(scanner, item) == 1


async def test_result_has_the_event_id_and_the_correlation_data(item: Json, mqtt_scanner: MqttScanner) -> None:
    properties = Properties(PacketTypes.PUBLISH)
    properties.CorrelationData = b"\x00\xff"
    await mqtt_scanner.send({"upc": UPC, "event_id": "a"}, properties=properties)
    message = await mqtt_scanner.message()
    assert message.properties is not None
    assert message.properties.CorrelationData == b"\x00\xff"
    assert message.properties.UserProperty == [("event_id", "a")]
    # A broker refuses control characters there; the scan is answered all the same.
    await mqtt_scanner.send({"upc": UPC, "event_id": "a\u0001"})
    message = await mqtt_scanner.message()
    assert json.loads(message.payload)["event"]["event_id"] == "a\u0001"
    assert not hasattr(message.properties, "UserProperty")


async def test_scan_with_qos_0_is_answered(scanner: AsyncClient, item: Json, mqtt_scanner: MqttScanner) -> None:
    await mqtt_scanner.send({"upc": UPC, "event_id": "a"}, qos=0)
    assert (await mqtt_scanner.result())["success"] is True


async def test_retained_scan_does_not_come_at_each_start(
    app: Litestar, config: Config, item: Json, broker: Mosquitto, scanner: AsyncClient
) -> None:
    async with client(broker, "stocky/result/+") as listener:
        await listener.publish("stocky/scan/m1", json.dumps({"upc": UPC, "event_id": "a"}), 1, True)
        sender = MqttScanner(listener)
        assert (await sender.result())["duplicate"] is False
        # The broker has the result before it has the acknowledgement, without which it delivers the scan again.
        await until(lambda: app.state.mqtt.counts.in_flight == 0)
        await app.state.mqtt.close()
        app.state.mqtt.start()
        await until(lambda: app.state.mqtt.state == "connected")
        sender.scanner_id = "m2"
        assert (await sender.scan())["scanner_state"]["scanner_id"] == "m2"


async def test_messages_of_a_former_subscription_are_no_scans(
    app: Litestar, item: Json, broker: Mosquitto, scanner: AsyncClient
) -> None:
    await until(lambda: app.state.mqtt.state == "connected")
    await app.state.mqtt.close()
    stored = Properties(PacketTypes.CONNECT)
    stored.SessionExpiryInterval = 3600
    async with client(broker, "former/scan/+", identifier="stocky", properties=stored):
        pass
    async with client(broker, "stocky/result/+") as connection:
        # So many that none of Stocky's own would come before they are acknowledged.
        for number in range(2 * MAX_IN_FLIGHT):
            body = json.dumps({"upc": UPC, "event_id": f"former {number}"})
            await connection.publish("former/scan/m1", body, qos=1)
        app.state.mqtt.start()
        await until(lambda: app.state.mqtt.state == "connected")
        result = await MqttScanner(connection).scan()
        assert (result["success"], result["event"]["delta"]) == (True, 1)
    assert app.state.mqtt.counts.answered == 1
    assert "former/scan/m1" not in [each["scanner_id"] for each in await get(scanner, "/scanner/")]


async def test_scan_waits_while_the_database_is_away(
    app: Litestar, scanner: AsyncClient, item: Json, mqtt_scanner: MqttScanner, caplog: pytest.LogCaptureFixture
) -> None:
    async with app.state.database.gate.drained():
        for number in range(3):
            await mqtt_scanner.send({"upc": UPC, "event_id": f"{number}"})
        await until(lambda: app.state.mqtt.counts.in_flight == 3)
        # Tried again more than once, and logged once.
        await asyncio.sleep(1)
        assert app.state.mqtt.counts.in_flight == 3
        logged = [each for each in caplog.messages if each.startswith("Scans over MQTT wait")]
        assert logged == [
            "Scans over MQTT wait and are tried again: A restore is putting its data in place; send it again"
        ]
    for _ in range(3):
        assert (await mqtt_scanner.result())["success"] is True
    assert await total(scanner, item) == 3


async def test_unanswered_scans_are_recorded_by_the_next_process(
    config: Config, app: Litestar, broker: Mosquitto, item: Json, scanner: AsyncClient, mqtt_scanner: MqttScanner
) -> None:
    async with app.state.database.gate.drained():
        for number in range(30):
            await mqtt_scanner.send({"upc": UPC, "event_id": f"{number}"})
        await until(lambda: app.state.mqtt.counts.in_flight > 0)
        await app.state.mqtt.close()
    assert app.state.mqtt.counts.in_flight == 0
    assert await total(scanner, item) == 0
    app.state.mqtt.start()
    for _ in range(30):
        assert (await mqtt_scanner.result())["success"] is True
    assert await total(scanner, item) == 30


async def test_number_of_scans_in_flight_is_bounded(
    environ: dict[str, str], keys: dict[str, str], scanner: AsyncClient, item: Json, broker: Mosquitto, app: Litestar
) -> None:
    """By what Stocky asks of the broker, which may itself have no bound; scans with QoS 0 beyond it are dropped."""
    await app.state.mqtt.close()
    broker.stop()
    broker.configure("allow_anonymous true\nmax_inflight_messages 0")
    broker.start()
    app.state.mqtt.start()
    await until(lambda: app.state.mqtt.state == "connected")
    count = 3 * MAX_IN_FLIGHT
    async with client(broker, "stocky/result/+") as connection:
        scanners = [MqttScanner(connection, scanner_id) for scanner_id in ("m1", "m2")]
        async with app.state.database.gate.drained():
            for number in range(count):
                await scanners[number % 2].send({"upc": UPC, "event_id": f"{number}"})
            await until(lambda: app.state.mqtt.counts.in_flight == MAX_IN_FLIGHT)
            for number in range(5):
                await scanners[0].send({"upc": UPC, "event_id": f"dropped {number}"}, qos=0)
            await until(lambda: app.state.mqtt.counts.dropped == 5)
            assert app.state.mqtt.counts.in_flight == MAX_IN_FLIGHT
        for _ in range(count):
            assert (await scanners[0].result())["success"] is True
    assert await total(scanner, item) == count


async def test_scans_wait_while_the_user_is_inactive(
    app: Litestar,
    signed_in_admin: AsyncClient,
    scanner: AsyncClient,
    member: AsyncClient,
    item: Json,
    mqtt_scanner: MqttScanner,
) -> None:
    users = await get(signed_in_admin, "/users/")
    (user_id,) = [each["id"] for each in users if each["username"] == "scanner"]
    await signed_in_admin.put(f"/users/{user_id}", json={"is_active": False})
    await mqtt_scanner.send({"upc": UPC, "event_id": "a"})
    await until(lambda: "STOCKY_MQTT_API_KEY: the key was revoked" in app.state.mqtt.state)
    assert await total(member, item) == 0
    await signed_in_admin.put(f"/users/{user_id}", json={"is_active": True})
    assert (await mqtt_scanner.result())["success"] is True
    assert await total(member, item) == 1

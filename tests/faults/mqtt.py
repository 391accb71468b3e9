"""Scans over MQTT while Mosquitto and Stocky are killed (-9) and started again: each one counts once.

The scanners send a scan again, under its event_id, until they have its result. Mosquitto sends again what Stocky did
not acknowledge, and after a kill also some of what it did.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import msgspec

from tests.faults.kill import Servers
from tests.faults.shop import Sent, Shop, shop, verdict
from tests.mosquitto import MISSING, PROGRAM, Mosquitto, client, mosquitto, next_message

SCANS = 10_000
SCANNERS = 16
# Scans that a scanner sends before it has the result of the first.
WIDTH = 20
# How long a scanner waits for a result before it sends again what has none.
PATIENCE_SECONDS = 5
# The share of scans that a scanner sends twice from the start.
TWICE = 0.1


class Scanner:
    """One scanner, which reconnects until it has the result of each of its scans."""

    def __init__(self, shop: Shop, broker: Mosquitto, number: int, scans: int) -> None:
        self.duplicates = 0
        self._shop = shop
        self._broker = broker
        self._id = f"robot-{number}"
        self._left = scans
        self._waiting: dict[str, Sent] = {}

    async def run(self) -> None:
        while self._left or self._waiting:
            try:
                async with client(self._broker, f"stocky/result/{self._id}", identifier=self._id, timeout=5) as link:
                    await self._scan(link)
            except aiomqtt.MqttError:
                self._shop.answers["connection lost"] += 1
                await asyncio.sleep(0.05)

    async def _scan(self, link: aiomqtt.Client) -> None:
        again = list(self._waiting.values())
        while self._left or self._waiting:
            while again:
                await self._send(link, again.pop(0))
            while self._left and len(self._waiting) < WIDTH:
                self._left -= 1
                sent = self._shop.new_event(is_scan=True)
                self._waiting[sent.event_id] = sent
                for _ in range(2 if random.random() < TWICE else 1):
                    await self._send(link, sent)
            try:
                self._note(await next_message(link, PATIENCE_SECONDS))
            except TimeoutError:
                self._shop.answers["no answer"] += 1
                again = list(self._waiting.values())

    async def _send(self, link: aiomqtt.Client, sent: Sent) -> None:
        body = {"upc": f"barcode-{sent.item}", "location_hint": self._shop.location, "event_id": sent.event_id}
        await link.publish(f"stocky/scan/{self._id}", msgspec.json.encode(body), 1)

    def _note(self, message: aiomqtt.Message) -> None:
        result = msgspec.json.decode(bytes(message.payload))
        if not result.get("success"):
            self._shop.wrong.append(f"{self._id} was answered {result}")
            return
        event_id = result["event"]["event_id"]
        self.duplicates += result["duplicate"]
        self._shop.answers["duplicate" if result["duplicate"] else "recorded"] += 1
        self._shop.acknowledged.add(event_id)
        self._waiting.pop(event_id, None)


async def kill_again_and_again(shop: Shop, broker: Mosquitto, scans: int, kills: int, processes: int = 1) -> list[str]:
    """The problems found after Mosquitto and Stocky were killed so many times each, spread over so many scans."""
    shop.environ |= {"STOCKY_MQTT_URL": broker.url, "STOCKY_MQTT_API_KEY": shop.key}
    servers = Servers(shop, processes)
    await asyncio.gather(*(servers.start(port) for port in servers.ports))
    scanners = [
        Scanner(shop, broker, number, scans // SCANNERS + (number < scans % SCANNERS)) for number in range(SCANNERS)
    ]
    running = asyncio.gather(*(scanner.run() for scanner in scanners))
    for due in _thresholds(scans, kills):
        while len(shop.acknowledged) < due and not running.done():
            await asyncio.wait([running], timeout=0.01)
        broker.kill()
        await asyncio.sleep(random.uniform(0, 0.5))
        await asyncio.to_thread(broker.start)
        await asyncio.sleep(random.uniform(0, 1))
        for port in servers.ports:
            servers.kill(port)
            await servers.start(port)
    await running
    print(f"after {kills} kills of Mosquitto and of Stocky: {shop.summary()}")
    problems = await servers.stop()
    return problems + await shop.problems(all_sent=True)


def _thresholds(scans: int, kills: int) -> Iterator[int]:
    """The numbers of results after which the kills happen."""
    return (scans * number // (kills + 1) for number in range(1, kills + 1))


def run(dialect: str, kills: int, scans: int = SCANS, processes: int = 1) -> bool | None:
    """Whether nothing was lost; None without Mosquitto."""
    name = f"mqtt on {dialect}" + (f", {processes} processes" if processes > 1 else "")
    if PROGRAM is None:
        print(f"{name}: left out, {MISSING}")
        return None
    begun = time.monotonic()
    with shop(dialect) as ground, mosquitto(Path(ground.directory) / "broker") as broker:
        problems = asyncio.run(kill_again_and_again(ground, broker, scans, kills, processes))
        print(f"{name}: {scans} scans and {kills} kills in {time.monotonic() - begun:.0f} s")
        return verdict(name, ground, problems)

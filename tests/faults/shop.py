"""A Stocky under test with its scanners: records all requests and acknowledgements, and compares the ledger."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from stocky.config import Config, load
from stocky.db import Connection, make_database
from stocky.db.migrate import migrate
from stocky.stock.repository import list_events, list_skus
from tests.faults.client import Answer, Client
from tests.people import add_people
from tests.postgres import Server, embedded_server
from tests.serving import ROOT, environment
from tests.stock.stockroom import Stockroom

SECRET_KEY = "a key for tests only, long enough for all"
ITEMS = 10
DIALECTS = ["sqlite", "postgres"]
AGAIN = (503, 507)


class Sent(NamedTuple):
    """An event that was sent, as a scan or in a list to /events, and its effect on its item."""

    event_id: str
    item: int
    delta: int
    is_scan: bool


class Shop:
    """Ten items at one location, and everything that its scanners sent."""

    def __init__(self, environ: dict[str, str], directory: Path, postgres: Server | None = None) -> None:
        self.environ = environ
        self.directory = directory
        self.config = load(environ)
        self.key = ""
        self.admin_key = ""
        self._postgres = postgres
        self.location = 0
        self.items: list[int] = []
        self.sent: dict[str, Sent] = {}
        self.acknowledged: set[str] = set()
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def prepare(self) -> None:
        """Migrates the database and fills it."""
        keys = await add_people(self.config)
        self.key, self.admin_key = keys["scanner"], keys["admin"]
        stockroom = Stockroom(self.config, make_database(self.config))
        await stockroom.database.open()
        self.location = await stockroom.location("the counter")
        self.items = [await stockroom.item("allow", packs={f"barcode-{each}": 1}) for each in range(ITEMS)]
        await stockroom.database.close()

    def reload(self) -> None:
        """Reads the settings from `environ` again."""
        self.config = load(self.environ)

    @contextmanager
    def another_database(self, directory: str) -> Iterator[str]:
        """The address of an empty database of the same kind, there for the length of the block."""
        if self._postgres is None:
            yield f"sqlite:///{directory}/stocky.db"
        else:
            with self._postgres.database() as name:
                yield self._postgres.url_of(name)

    def new_event(self, *, is_scan: bool) -> Sent:
        """A new event; recorded before it is sent."""
        delta = 1 if is_scan else random.choice([-2, -1, 1, 2, 3])
        sent = Sent(f"event-{len(self.sent)}", random.randrange(ITEMS), delta, is_scan)
        self.sent[sent.event_id] = sent
        return sent

    async def send(self, client: Client, events: list[Sent]) -> Answer | None:
        """Sends one scan, or any number of other events, and records the acknowledgements; None without a response."""
        path, body = self._request(events)
        try:
            answer = await client.post(path, body)
        except OSError:
            self.answers["no answer"] += 1
            return None
        self.answers[str(answer.status)] += 1
        if answer.status == 200:
            self._note(events, answer.body)
        elif answer.status not in AGAIN:
            self.wrong.append(f"{path} was answered {answer.status}: {answer.body}")
        elif "retry-after" not in answer.headers and answer.status == 503:
            self.wrong.append(f"{path} was answered 503 without Retry-After")
        return answer

    async def send_everything_again(self, ports: list[int]) -> None:
        """Sends everything again, as a scanner that received no response."""
        scans = [[each] for each in self.sent.values() if each.is_scan]
        others = [each for each in self.sent.values() if not each.is_scan]
        requests = scans + [others[start : start + 200] for start in range(0, len(others), 200)]
        random.shuffle(requests)

        async def send(number: int) -> None:
            client = Client(ports[number % len(ports)], self.key)
            while requests:
                await self.until_answered(client, requests.pop())
            await client.close()

        await asyncio.gather(*(send(number) for number in range(32)))

    async def until_answered(self, client: Client, events: list[Sent]) -> None:
        """Sends until the events are acknowledged, for at most a minute."""
        async with asyncio.timeout(60):
            while True:
                answer = await self.send(client, events)
                if answer is not None and answer.status == 200:
                    return
                await asyncio.sleep(0.05)

    async def problems(self, *, all_sent: bool = False) -> list[str]:
        """Lost or doubled events and wrong sums; with `all_sent`, everything that was sent must be there."""
        async with reading(self.config) as read:
            rows = (await list_events(read, limit=10_000_000)).events
            skus = await list_skus(read, skip=0, limit=1000)
        times = Counter(row.event_id for row in rows)
        wanted = self.sent.keys() if all_sent else self.acknowledged
        problems = list(self.wrong)
        problems += [f"{each} is lost" for each in sorted(wanted - times.keys())]
        problems += [f"{each} is there {count} times" for each, count in times.items() if count > 1]
        problems += [f"{each} was never sent" for each in times if each not in self.sent]
        sums: Counter[int] = Counter()
        for row in rows:
            sent = self.sent.get(row.event_id or "")
            if sent is not None and (self.items[sent.item], sent.delta) != (row.item_id, row.delta):
                problems.append(f"{row.event_id} is there with another content")
            if sent is not None:
                sums[self.items[sent.item]] += sent.delta
        quantities = {sku.item_id: sku.quantity for sku in skus}
        problems += [
            f"item {item}: {quantities.get(item, 0)} in stock, {sums[item]} recorded"
            for item in self.items
            if quantities.get(item, 0) != sums[item]
        ]
        return problems + self._check()

    def summary(self) -> str:
        """A line with the numbers of requests and responses."""
        answers = ", ".join(f"{count} x {answer}" for answer, count in sorted(self.answers.items()))
        return f"{len(self.sent)} events, {len(self.acknowledged)} acknowledged; answers: {answers}"

    def _request(self, events: list[Sent]) -> tuple[str, dict[str, Any]]:
        if events[0].is_scan:
            (scan,) = events
            return "/scanner/scan", {
                "upc": f"barcode-{scan.item}",
                "scanner_id": f"scanner-{scan.item}",
                "location_hint": self.location,
                "event_id": scan.event_id,
            }
        return "/events", {
            "events": [
                {
                    "event_id": each.event_id,
                    "type": "add" if each.delta > 0 else "remove",
                    "item": {"upc": f"barcode-{each.item}"},
                    "location": {"id": self.location},
                    "quantity": abs(each.delta),
                }
                for each in events
            ]
        }

    def _note(self, events: list[Sent], body: Any) -> None:
        if events[0].is_scan:
            if not body["success"] or body["event"]["event_id"] != events[0].event_id:
                self.wrong.append(f"{events[0].event_id} was refused: {body['message']}")
        elif body["rejected"] or len(body["results"]) != len(events):
            self.wrong.append(f"events were refused: {body}")
        self.acknowledged.update(each.event_id for each in events)

    def _check(self) -> list[str]:
        """The faults that `stocky check` finds."""
        checked = subprocess.run(
            [sys.executable, "-m", "stocky", "check"],
            env=environment(self.environ, ROOT),
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if not checked.returncode:
            return []
        return [f"stocky check: {line}" for line in (checked.stdout + checked.stderr).splitlines() or ["failed"]]


@contextmanager
def shop(dialect: str, directory: Path | None = None) -> Iterator[Shop]:
    """A prepared shop on a new database; its SQLite file is in `directory`, where that is given."""
    with tempfile.TemporaryDirectory(prefix="stocky-faults-") as made:
        if dialect == "sqlite":
            yield _prepared(f"sqlite:///{directory or made}/stocky.db", Path(made))
        else:
            with embedded_server() as server, server.database() as name:
                yield _prepared(server.url_of(name), Path(made), server)


def shop_on(database_url: str, directory: Path) -> Shop:
    """A prepared shop on an existing empty database."""
    return _prepared(database_url, directory)


@asynccontextmanager
async def reading(config: Config) -> AsyncIterator[Connection]:
    """A read connection to a database that this process has not open."""
    database = make_database(config)
    await database.open()
    try:
        async with database.read() as read:
            yield read
    finally:
        await database.close()


def _prepared(database_url: str, directory: Path, postgres: Server | None = None) -> Shop:
    made = Shop(
        {
            "STOCKY_DATABASE_URL": database_url,
            "STOCKY_DATA_DIR": str(directory),
            "STOCKY_SECRET_KEY": SECRET_KEY,
            "STOCKY_LOG_LEVEL": "WARNING",
        },
        directory,
        postgres,
    )
    migrate(made.config)
    asyncio.run(made.prepare())
    return made


async def write(shop: Shop, ports: list[int], stop: asyncio.Event, *, width: int = 1) -> None:
    """A writer until `stop`: sends scans and lists of events, `width` requests at a time, some of them twice.

    What got no answer it sends again, or forgets, as it comes.
    """
    clients = [Client(random.choice(ports), shop.key) for _ in range(width)]
    while not stop.is_set():
        answers = await asyncio.gather(*(_write_one(shop, client) for client in clients))
        if not any(answers):
            await asyncio.sleep(0.05)
    for client in clients:
        await client.close()


async def _write_one(shop: Shop, client: Client) -> bool:
    is_scan = random.random() < 0.7
    events = [shop.new_event(is_scan=is_scan) for _ in range(1 if is_scan else random.randint(1, 5))]
    answer = await shop.send(client, events)
    if random.random() < (0.1 if answer else 0.5):
        answer = await shop.send(client, events)
    return answer is not None and answer.status == 200


def verdict(name: str, shop: Shop, problems: list[str]) -> bool:
    """Prints the result; returns whether nothing was lost."""
    print(f"{name}: {shop.summary()}")
    for problem in problems[:20]:
        print(f"{name}: {problem}")
    print(f"{name}: {'FAILED, ' + str(len(problems)) + ' problems' if problems else 'nothing lost, nothing doubled'}")
    return not problems

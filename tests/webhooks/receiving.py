"""A receiver of webhooks on its own port: records requests and sends the responses that a test sets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from httpx import AsyncClient

from tests.inventory import Json, get, made

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
SECONDS = 60
# Long enough for something that should not be sent to be sent, and for attempts without a pause between them: the
# fixture `looking_often` makes Stocky look for events and for due deliveries every LOOK_SECONDS.
A_WHILE = 0.6
LOOK_SECONDS = 0.2


class Received:
    """One request."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> Json:
        message: Json = json.loads(self.body)
        return message

    @property
    def type(self) -> str:
        kind: str = self.message["type"]
        return kind

    @property
    def data(self) -> Any:
        return self.message["data"]

    def is_signed_by(self, secret: str) -> bool:
        """Whether one of the signatures is by this secret."""
        key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return expected in self.headers["webhook-signature"].split()


def answer(status: int = 204, *headers: str) -> Answer:
    """A response without a body."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([f"HTTP/1.1 {status} It", "Content-Length: 0", *headers, "", ""]).encode())

    return send


class Receiver:
    """Responds to the next requests with `answers`, and to all others with `usual`."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[Answer] = []
        self.usual: Answer = answer()
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/very-secret-path"

    async def open(self, tls: ssl.SSLContext | None = None) -> None:
        """Starts, or restarts on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stops."""
        assert self._server is not None
        self._server.close()

    async def until(self, count: int, kind: str | None = None) -> list[Received]:
        """All requests of this kind, once there are `count`."""
        async with asyncio.timeout(SECONDS):
            while len(found := [each for each in self.received if kind in (None, each.type)]) < count:  # noqa: ASYNC110 - another process tells no event
                await asyncio.sleep(0.02)
        return found

    def event_ids(self) -> list[int]:
        """The ledger ids in the order of their receipt, each message counted once."""
        messages = {each.id: each for each in self.received if each.type == "stock.recorded"}
        return [event["id"] for each in messages.values() for event in each.data["events"]]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The sender or the test may have ended.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[1:-1]
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}
            self.received.append(Received(headers, await reader.readexactly(int(headers["content-length"]))))
            await (self.answers.pop(0) if self.answers else self.usual)(writer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver for the duration of the block."""
    receiver = Receiver()
    await receiver.open()
    yield receiver
    receiver.close()


async def hooked(admin: AsyncClient, receiver: Receiver, *event_types: str, **fields: Any) -> Json:
    """A webhook to the receiver, with its secret."""
    types = list(event_types) or ["stock.recorded"]
    return made(await admin.post("/webhooks/", json={"url": receiver.url, "event_types": types, **fields}))


async def post_events(client: AsyncClient, item: Json, shelf: Json, count: int = 1) -> list[int]:
    """Ledger ids of new events."""
    event = {"type": "add", "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": 1}
    results = made(await client.post("/events", json={"events": [event] * count}))["results"]
    return [result["id"] for result in results]


async def deliveries(admin: AsyncClient, webhook: Json, **query: Any) -> list[Json]:
    """The deliveries of a webhook, oldest first."""
    found: list[Json] = await get(admin, f"/webhooks/{webhook['id']}/deliveries", **query)
    return found[::-1]


async def until_so(is_so: Callable[[], Awaitable[Any]]) -> Any:
    """The first true result of `is_so`."""
    async with asyncio.timeout(SECONDS):
        while not (found := await is_so()):  # noqa: ASYNC110 - what another task does tells no event
            await asyncio.sleep(0.05)
    return found

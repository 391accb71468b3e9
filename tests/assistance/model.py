"""A server that speaks the protocol of chat completions on its own port, with answers set by the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from httpx import AsyncClient

from stocky.pages.messages import translate
from tests.inventory import Json, get

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
KEY = "sk-the-secret-key-of-the-model"
MODEL = "test-model"
SECONDS = 60
EMPTY = {"tags": [], "type": None, "part_number": None, "datasheets": []}


def raw(body: bytes, status: int = 200, *headers: str) -> Answer:
    """An HTTP response."""

    async def send(writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status} It", f"Content-Length: {len(body)}", "Connection: close", *headers]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    return send


def completion(content: Any, tokens: int | None = 321) -> Answer:
    """A completion with this content."""
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}},
        ],
    }
    if tokens is not None:
        answer["usage"] = {"prompt_tokens": 300, "completion_tokens": 21, "total_tokens": tokens}
    return raw(json.dumps(answer).encode(), 200, "Content-Type: application/json")


def suggests(**answer: Any) -> Answer:
    """A completion with suggestions."""
    return completion(json.dumps(EMPTY | answer))


def error(status: int, message: str = "no", *headers: str) -> Answer:
    """An error of the protocol."""
    body = {"error": {"message": message, "type": "invalid_request_error", "code": None}}
    return raw(json.dumps(body).encode(), status, "Content-Type: application/json", *headers)


class Asked:
    """One request."""

    def __init__(self, head: str, body: bytes) -> None:
        self.path = head.split()[1]
        lines = head.splitlines()[1:]
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
        self.body: Json = json.loads(body)

    @property
    def question(self) -> Json:
        """What was asked about the item."""
        content = self.body["messages"][1]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        question: Json = json.loads(text)
        return question


class Model:
    """Answers the next requests with `answers`, and all others with `usual`."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Answer] = []
        self.usual = suggests()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The client may have disconnected, and the test may have ended.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
            self.asked.append(Asked(head, await reader.readexactly(length)))
            await (self.answers.pop(0) if self.answers else self.usual)(writer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Model]:
    """A model for the duration of the block."""
    model = Model()
    server = await asyncio.start_server(model.serve, "127.0.0.1")
    model.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield model
    server.close()


async def until_so(is_so: Callable[[], Awaitable[Any]]) -> Any:
    """The first true result of `is_so`."""
    async with asyncio.timeout(SECONDS):
        while not (found := await is_so()):  # noqa: ASYNC110 - what another task does tells no event
            await asyncio.sleep(0.05)
    return found


async def ended(client: AsyncClient, item: Json) -> Json:
    """The last job that asked about an item, after its end."""

    async def job() -> Json | None:
        found: Json = await get(client, f"/items/{item['id']}/suggestions/job")
        return found if found["status"] in ("done", "failed") else None

    found: Json = await until_so(job)
    return found


async def asked(client: AsyncClient, item: Json) -> Json:
    """Asks about an item; the job after its end."""
    answer = await client.post(f"/items/{item['id']}/suggestions")
    assert answer.status_code == 202, answer.text
    job = await ended(client, item)
    assert job["id"] == answer.json()["id"]
    return job


async def suggestions(client: AsyncClient, item: Json) -> list[Json]:
    """All suggestions about an item."""
    found: list[Json] = await get(client, f"/items/{item['id']}/suggestions")
    return found


async def values(client: AsyncClient, item: Json) -> list[tuple[str, str]]:
    """The kinds and values of the suggestions about an item."""
    return [(each["kind"], each["value"]) for each in await suggestions(client, item)]


def is_translated(message: str) -> bool:
    """Whether German pages show a message in German."""
    return translate("de", message) != message

"""A look-up service on its own port, with answers set by the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from stocky.config import Config, load

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Service:
    """The paths requested, and its answers by barcode; any other barcode is unknown."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.url = ""

    def knows(self, barcode: str, **product: Any) -> None:
        """Adds a product, in the form of Open Food Facts."""
        self.answers[barcode] = answer(json.dumps({"code": barcode, "status": 1, "product": product}).encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The client may have disconnected, and the test may have ended.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split()[1].decode()
            self.requests.append(path)
            unknown = answer(b'{"status": 0, "status_verbose": "product not found"}', 404)
            await self.answers.get(path.rpartition("/")[2], unknown)(writer)
            await writer.drain()
        writer.close()


def answer(body: bytes, status: int = 200, *headers: str) -> Answer:
    """An HTTP answer."""

    async def send(writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status} It", f"Content-Length: {len(body)}", "Connection: close", *headers]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    return send


async def until(is_so: Callable[[], Awaitable[Any]]) -> Any:
    """The first true result of `is_so`."""
    for _ in range(600):
        if found := await is_so():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("it never was")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    server = await asyncio.start_server(service.serve, "127.0.0.1")
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield service
    server.close()


@pytest.fixture
def config(environ: dict[str, str], service: Service) -> Config:
    """A Stocky that uses the service, with a timeout of one second."""
    asking = {"STOCKY_UPC_SERVICE_URL": f"{service.url}/api/v2/product/", "STOCKY_UPC_SERVICE_TIMEOUT": "1"}
    return load(environ | asking)

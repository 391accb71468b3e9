"""A listening Stocky inside the test process, so that its limits can be changed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from functools import cache

import pytest
from litestar import Litestar

from stocky.app import attach, make_routes
from stocky.config import Config
from stocky.http.server import Server
from stocky.services import Services


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until the condition holds."""
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


class Listening:
    """A started server on `port`."""

    def __init__(self, app: Litestar, server: Server, port: int) -> None:
        self.app = app
        self.server = server
        self.port = port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, request: bytes) -> bytes:
        """Everything received until the server closes the connection."""
        reader, writer = await self.connect()
        writer.write(request)
        try:
            return await asyncio.wait_for(reader.read(), 60)
        finally:
            writer.close()

    async def metrics(self) -> str:
        """The metrics page."""
        return (await self.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).decode()


# Once per process: it takes seconds, and the routes hold no state.
make_routes_once = cache(make_routes)


@pytest.fixture
async def listening(config: Config) -> AsyncIterator[Listening]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=500)
    app = attach(make_routes_once(), Services(config))

    async def do_nothing() -> None:
        return None

    server = Server(app, config, listener, do_nothing)
    serving = asyncio.create_task(server.serve([listener]))
    await until(lambda: server.started or serving.done())
    yield Listening(app, server, listener.getsockname()[1])
    server.should_exit = True
    await serving

"""uvicorn, configured for Stocky: one process, no access log, and a shutdown that waits for responses, not streams."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial

import uvicorn
from litestar import Litestar

from stocky.config import Config
from stocky.http.connections import HttpConnection, Limits, raise_file_limit
from stocky.http.listening import address_of

# How long a shutdown waits for running requests; with the recorder's last batch it stays below ten seconds.
GRACE_SECONDS = 5
# Allocations between garbage collections. Python's 700 would mean one every dozen scans.
COLLECT_EVERY = 20_000
# Longer than proxies usually keep a connection, so that Stocky never closes one they have just used.
KEEP_ALIVE_SECONDS = 75

_log = logging.getLogger("stocky.serve")


class Server(uvicorn.Server):
    """Serves one application on one listening socket; `when_ready` is called once it accepts connections."""

    def __init__(
        self, app: Litestar, config: Config, listener: socket.socket, when_ready: Callable[[], Awaitable[None]]
    ) -> None:
        self.limits = Limits(raise_file_limit())
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                # uvicorn calls it like a class.
                http=partial(HttpConnection, self.limits),  # type: ignore[arg-type]
                ws="none",
                # uvicorn would log the traceback of a refused start, and exit with 3.
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # `http.client_address` handles them, including lists, ports, IPv4 in IPv6 and unix sockets.
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ssl_certfile=config.tls_cert,
                ssl_keyfile=config.tls_key,
            )
        )
        self._app = app
        self._when_ready = when_ready
        self._address = address_of(listener, is_tls=config.tls_cert is not None)

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        # Within uvicorn's handling of signals, so that one during the start is not lost. Litestar's lifespan would put
        # exceptions into groups.
        async with self._app.state.services.running():
            await super()._serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        unix = [each for each in sockets or [] if each.family == socket.AF_UNIX]
        await super().startup([each for each in sockets or [] if each not in unix])
        for each in unix:
            # uvicorn would treat it as a TCP socket.
            server = await asyncio.get_running_loop().create_unix_server(self._make_connection, sock=each)
            self.servers.append(server)
        # Objects alive now stay alive; traversing them in each collection showed in the profile of scanning.
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_EVERY)
        self.limits.measure()
        _log.info("Stocky is ready on %s", self._address)
        await self._when_ready()

    def _make_connection(self) -> HttpConnection:
        state = self.lifespan.state
        return HttpConnection(self.limits, config=self.config, server_state=self.server_state, app_state=state)

    async def on_tick(self, counter: int) -> bool:
        # uvicorn calls this ten times a second.
        if counter % 10 == 0:
            self._end_overdue()
        return await super().on_tick(counter)

    def _end_overdue(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpConnection) and connection.is_overdue(now):
                connection.end()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _log.info("Stopping: finishing running requests")
        self._app.state.streams.end()
        await super().shutdown(sockets)

"""Replaces wrk where it is not installed: the same load and the same figures, in a separate process."""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

CHECK_EVERY = 50


class _Tally:
    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.failures = self.refused = self.unexpected = 0
        self.sample = ""


class _Client(asyncio.Protocol):
    """One connection: sends the next request when the previous response is complete."""

    def __init__(self, next_request: Callable[[], bytes], expected: bytes, tally: _Tally) -> None:
        self._next_request = next_request
        self._expected = expected
        self._tally = tally
        self._body = b""
        self._ending = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._transport.write(self._next_request())
        self._sent = time.perf_counter()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        tally = self._tally
        tally.latencies.append(time.perf_counter() - self._sent)
        if self._parser.get_status_code() >= 400:
            tally.refused += 1
            tally.sample = self._body[:300].decode()
        elif len(tally.latencies) % CHECK_EVERY == 1 and self._expected not in self._body:
            tally.unexpected += 1
            tally.sample = self._body[:300].decode()
        if not self._ending:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._tally.failures += not self._ending

    def end(self) -> None:
        """Stops counting: requests in progress are cut off, as wrk does."""
        self._ending = True
        self._transport.abort()


async def generate(
    url: str,
    *,
    connections: int,
    seconds: float,
    headers: list[str],
    method: str,
    bodies: list[str],
    expected: str,
    ids: str,
) -> dict[str, Any]:
    """The figures, as `load.lua` prints them."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    rest_of_head = "\r\n".join([f" HTTP/1.1\r\nHost: {parts.netloc}", *headers])
    head = f"{method} {target}{rest_of_head}"
    turn = random.randrange(len(bodies)) if bodies else 0
    new_id = uuid7 if ids == "v7" else uuid.uuid4

    def next_request() -> bytes:
        nonlocal turn
        if not bodies:
            return f"{head}\r\n\r\n".encode()
        turn = (turn + 1) % len(bodies)
        if method == "GET":
            return f"GET {bodies[turn]}{rest_of_head}\r\n\r\n".encode()
        first, *rest = bodies[turn].split("@id")
        body = first + "".join(f"{new_id()}{each}" for each in rest)
        return f"{head}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode()

    tally = _Tally()
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    clients = [
        (
            await loop.create_connection(
                lambda: _Client(next_request, expected.encode(), tally), parts.hostname or "", parts.port or 80
            )
        )[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - started
    latencies = tally.latencies[:]
    for client in clients:
        client.end()
    cuts = statistics.quantiles(latencies, n=100)
    return {
        "requests": len(latencies),
        "seconds": elapsed,
        "p50_ms": cuts[49] * 1000,
        "p99_ms": cuts[98] * 1000,
        "max_ms": max(latencies) * 1000,
        "failures": tally.failures,
        "refused": tally.refused,
        "unexpected": tally.unexpected,
        "sample": tally.sample,
    }


def uuid7() -> uuid.UUID:
    """An id that begins with the time."""
    return uuid.UUID(
        int=int(time.time() * 1000) << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62)
    )


def main() -> None:
    """Reads its arguments as JSON from standard input and writes the figures as JSON."""
    given = msgspec.json.decode(sys.stdin.buffer.read())
    bodies = Path(given.pop("bodies_file")).read_text("utf-8").splitlines()
    print(msgspec.json.encode(uvloop.run(generate(**given, bodies=bodies))).decode())


if __name__ == "__main__":
    main()

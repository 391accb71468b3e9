"""The yardstick of HTTP: a bare Litestar that only decodes the same bodies or returns the same bytes.

Run as `python -m tests.benchmarks.bare PORT [FILE]`; GET / returns the bytes of FILE.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import uvicorn
from litestar import Litestar, MediaType, Response, get, post

from stocky.scanner.schemas import Scan


class Answer(msgspec.Struct):
    """A small response."""

    success: bool
    message: str


def main(port: str, file: str | None = None) -> None:
    """Serves on 127.0.0.1 until it is stopped, with the settings of `stocky.http.server`."""
    content = b"" if file is None else Path(file).read_bytes()

    @post("/", status_code=200)
    async def scan(data: Scan) -> Answer:
        return Answer(True, data.upc)

    @get("/")
    async def same_bytes() -> Response[bytes]:
        return Response(content, media_type=MediaType.JSON)

    uvicorn.run(
        Litestar([scan, same_bytes], openapi_config=None, logging_config=None),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        backlog=2048,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

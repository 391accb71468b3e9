"""A real S3 server (moto) as its own process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.serving import free_port

READY_SECONDS = 60


@contextmanager
def running(directory: Path) -> Iterator[str]:
    """The address of an S3 server, which stops with the block. Its log is in `directory`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log_file = directory / "server.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            assert process.poll() is None, log_file.read_text()
            with suppress(httpx.TransportError):
                httpx.get(url, timeout=5)
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()

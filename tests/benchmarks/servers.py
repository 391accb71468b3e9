"""The measured processes: Stocky and its yardstick, both on the server's core."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tests import serving
from tests.benchmarks.data import Database
from tests.benchmarks.machine import SERVER_CORE, pinned


class Bare(NamedTuple):
    """A running bare Litestar."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def stocky(database: Database) -> Iterator[serving.Server]:
    """A real `python -m stocky serve` on the database."""
    with pinned(SERVER_CORE):
        running = serving.serve(database.settings, database.directory)
        server = running.__enter__()
    try:
        yield server
    finally:
        running.__exit__(None, None, None)


@contextmanager
def serve_on_any_core(database: Database) -> Iterator[serving.Server]:
    """The same on any core, for several that share the machine."""
    with serving.serve(database.settings, database.directory) as server:
        yield server


@contextmanager
def bare(file: Path | None = None) -> Iterator[Bare]:
    """The bare Litestar; GET / returns the bytes of `file`."""
    port = serving.free_port()
    command = [sys.executable, "-m", "tests.benchmarks.bare", str(port), *([str(file)] if file else [])]
    with pinned(SERVER_CORE):
        process = subprocess.Popen(command, env=serving.environment({}))
    try:
        root = f"http://127.0.0.1:{port}"
        _wait_for(root, process)
        yield Bare(root, process)
    finally:
        process.terminate()
        process.wait()


def _wait_for(root: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + serving.READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(root, timeout=2)
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("the bare Litestar did not start")

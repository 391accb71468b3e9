"""A real `stocky serve` as a process of its own, for tests that kill, signal or measure it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60
STOP_SECONDS = 30


class Server:
    """A `stocky serve` that was ready; `url` is its root, `process` may be killed by the test."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log_file: Path) -> None:
        self.url = url
        self.process = process
        self.log_file = log_file

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1"

    @property
    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Asks it to end (SIGTERM) and returns its exit status; kills it when it takes longer than `seconds`."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@contextmanager
def serve(
    environ: Mapping[str, str],
    directory: Path,
    *,
    port: int | None = None,
    command: Sequence[str] = (sys.executable, "-m", "stocky"),
    python_path: Path | None = ROOT,
) -> Iterator[Server]:
    """Runs `command` serve with only the settings of `environ`, waits until it is ready, and ends it with the block.

    With STOCKY_UDS nothing listens on its `url`: that is for a proxy to lead to.
    `directory` is where it runs and where its output is kept. Raises AssertionError with that output
    when it ends or is not ready within READY_SECONDS.
    """
    port = port or free_port()
    log_file = directory / f"serve-{port}.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [*command, "serve"],
            cwd=directory,
            env=environment(environ, python_path) | {"STOCKY_PORT": str(port)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log_file)
    try:
        _wait_until_ready(server, environ.get("STOCKY_UDS"))
        yield server
    finally:
        if process.poll() is None:
            server.stop()


def environment(settings: Mapping[str, str], python_path: Path | None = ROOT) -> dict[str, str]:
    """What a process started by a test finds: this process's environment, with no Stocky settings but `settings`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKY_", "PYTHONPATH"))}
    return kept | ({"PYTHONPATH": str(python_path)} if python_path else {}) | dict(settings)


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(server: Server, uds: str | None) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise AssertionError(f"stocky serve ended with {server.process.returncode}:\n{server.log}")
        if uds is not None:
            if f"Stocky is ready on unix:{uds}" in server.log:
                return
        else:
            with suppress(httpx.TransportError):
                if httpx.get(f"{server.url}/health/ready", timeout=2).status_code == 200:
                    return
        time.sleep(0.02)
    raise AssertionError(f"stocky serve was not ready within {READY_SECONDS} s:\n{server.log}")

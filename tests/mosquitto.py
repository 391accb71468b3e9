"""A real Mosquitto of a test's own, which stores its sessions on disk and can be killed and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiomqtt
import pytest

from tests.serving import free_port

_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
PROGRAM = shutil.which("mosquitto", path=_PATH)
MISSING = "Mosquitto is not installed (apt-get install mosquitto)"
START_SECONDS = 20

needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


class Mosquitto:
    """A broker at a fixed port; `more` are further lines of its configuration."""

    def __init__(self, directory: Path, more: str = "") -> None:
        self.port = free_port()
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._log = directory / "mosquitto.log"
        self.configure(more)

    def configure(self, more: str) -> None:
        """Writes the configuration, for the next start."""
        lines = [
            f"listener {self.port} 127.0.0.1",
            # Started by root, it would change to a user who may not write here.
            *(["user root"] if os.getuid() == 0 else []),
            "persistence true",
            f"persistence_location {self.directory}/",
            # Saved after each change, so that a kill loses little.
            "autosave_interval 1",
            "autosave_on_changes true",
            "max_queued_messages 0",
            more or "allow_anonymous true",
        ]
        (self.directory / "mosquitto.conf").write_text("\n".join(lines) + "\n", "utf-8")

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def start(self) -> None:
        """Starts it, and returns when it listens."""
        assert PROGRAM is not None, MISSING
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", str(self.directory / "mosquitto.conf")], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"Mosquitto does not answer: {error}\n{self.log}") from error
            time.sleep(0.02)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ends it as its service would: it saves its sessions."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None


@contextmanager
def mosquitto(directory: Path, more: str = "") -> Iterator[Mosquitto]:
    """A running broker, which ends with the block."""
    directory.mkdir(exist_ok=True)
    broker = Mosquitto(directory, more)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@asynccontextmanager
async def client(
    broker: Mosquitto, *topics: str, identifier: str | None = None, **more: object
) -> AsyncIterator[aiomqtt.Client]:
    """A client of the broker with MQTT 5 that has subscribed to these topics."""
    connection = aiomqtt.Client(
        "127.0.0.1",
        broker.port,
        identifier=identifier,
        protocol=aiomqtt.ProtocolVersion.V5,
        **more,  # type: ignore[arg-type]
    )
    try:
        async with connection:
            for topic in topics:
                await connection.subscribe(topic, qos=1)
            yield connection
    finally:
        if connection._disconnected.done():
            # Looked at, so that asyncio does not log it.
            connection._disconnected.exception()


async def next_message(connection: aiomqtt.Client, seconds: float = 20) -> aiomqtt.Message:
    """The next message that this client gets."""
    async with asyncio.timeout(seconds):
        return await anext(aiter(connection.messages))

"""Load on a server from the client's core, by Debian's wrk, or by `generator` where wrk is not installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol

import msgspec

from tests.benchmarks.machine import CLIENT_CORE, cpu_seconds, pinned
from tests.serving import environment

LUA = Path(__file__).with_name("load.lua")
TIMEOUT_SECONDS = 10

IdVersion = Literal["v4", "v7"]


class Figures(msgspec.Struct, kw_only=True):
    """The figures of the load generator.

    `failures` are connections and timeouts, `refused` answers that are not 2xx, `unexpected` those of the
    answers it looked at that did not hold what they must; `sample` is one of the last two. `cpu_seconds` is the
    processor time of the server's process meanwhile, None where the system does not show it.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    failures: int
    refused: int
    unexpected: int
    sample: str = ""
    cpu_seconds: float | None = None

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's processor time a request."""
        return float("nan") if self.cpu_seconds is None else self.cpu_seconds / self.requests * 1e6

    @property
    def is_sound(self) -> bool:
        return not (self.failures or self.refused or self.unexpected)


class Target(Protocol):
    """A server to send to."""

    @property
    def url(self) -> str: ...

    @property
    def process(self) -> subprocess.Popen[bytes]: ...


class Unsound(Exception):
    """An invalid measurement: wrong responses, lost rows, or a database that fails its check."""


class Load(msgspec.Struct, kw_only=True):
    """Requests to send: `bodies` in turn, each "@id" in them replaced by a new UUID of version `ids`; GET without.

    `paths` are got in turn instead of `path`.
    """

    path: str
    paths: Sequence[str] = ()
    bodies: Sequence[str] = ()
    expected: str = ""
    connections: int = 64
    ids: IdVersion = "v4"
    headers: Sequence[str] = ()

    def run(self, server: Target, seconds: float, *, path: str | None = None) -> Figures:
        """Sends for `seconds` to the server. Raises Unsound unless every response was as expected."""
        figures = self.try_run(server, seconds, path=path)
        if not figures.is_sound:
            raise Unsound(f"{server.url}{path or self.path}: {figures}")
        return figures

    def try_run(self, server: Target, seconds: float, *, path: str | None = None) -> Figures:
        """Sends for `seconds` and returns the figures without checking them."""
        url = server.url + (path or self.path)
        headers = [*self.headers, *(["Content-Type: application/json"] if self.bodies else [])]
        with TemporaryDirectory(prefix="stocky-bench-") as directory:
            file = Path(directory) / "bodies"
            lines = self.bodies or (() if path else self.paths)
            file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
            generate = self._wrk if shutil.which("wrk") else self._own
            before = cpu_seconds(server.process.pid)
            figures = generate(url, seconds, headers, file)
            after = cpu_seconds(server.process.pid)
        if before is not None and after is not None:
            figures.cpu_seconds = after - before
        return figures

    @property
    def _method(self) -> str:
        return "POST" if self.bodies else "GET"

    def _wrk(self, url: str, seconds: float, headers: list[str], bodies: Path) -> Figures:
        command = [
            "wrk", "--threads=1", f"--connections={self.connections}", f"--duration={seconds:.0f}s",
            f"--timeout={TIMEOUT_SECONDS}s", f"--script={LUA}", *(f"--header={header}" for header in headers), url,
            "--", self._method, str(bodies), self.expected, self.ids,
        ]  # fmt: skip
        with pinned(CLIENT_CORE):
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        _, _, result = output.rpartition("RESULT ")
        encoded, _, sample = result.partition("\nSAMPLE ")
        figures = msgspec.json.decode(encoded, type=Figures)
        figures.sample = sample.strip()
        return figures

    def _own(self, url: str, seconds: float, headers: list[str], bodies: Path) -> Figures:
        given = {
            "url": url,
            "connections": self.connections,
            "seconds": seconds,
            "headers": headers,
            "method": self._method,
            "bodies_file": str(bodies),
            "expected": self.expected,
            "ids": self.ids,
        }
        with pinned(CLIENT_CORE):
            done = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.generator"],
                input=msgspec.json.encode(given),
                env=environment({}),
                check=True,
                capture_output=True,
            )
        return msgspec.json.decode(done.stdout, type=Figures)


def generator_name() -> str:
    """The name of the load generator."""
    return "wrk" if shutil.which("wrk") else "generator.py"

"""F11: the start time of an empty Stocky, and its memory when idle."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from statistics import median

from tests import serving
from tests.benchmarks.data import empty_directory
from tests.benchmarks.load import Unsound
from tests.benchmarks.machine import SERVER_CORE, pinned, resident_mib
from tests.benchmarks.results import Plan, Result, ratio

AT_LEAST = 5
POLL_SECONDS = 0.01
IDLE_SECONDS = 1


def measure_start(plan: Plan) -> list[Result]:
    """F11."""
    ready: list[float] = []
    imported: list[float] = []
    memory: list[float] = []
    for _ in range(max(plan.runs, AT_LEAST)):
        imported.append(_import_seconds())
        seconds, mib = _start()
        ready.append(seconds)
        memory.append(mib)
    return [
        Result(
            id="F11",
            what="from start to ready on an empty database: seconds",
            yardstick_is='python -c "import litestar, uvicorn"',
            subject=median(ready),
            yardstick=median(imported),
            ratio=ratio(ready, imported),
            goal="<= 1.6",
            raw={"subject_seconds": ready, "yardstick_seconds": imported},
        ),
        Result(
            id="F11",
            what="idle memory in MiB",
            yardstick_is="-",
            subject=median(memory),
            goal="<= 70",
            raw={"memory_mib": memory},
        ),
    ]


def _import_seconds() -> float:
    with pinned(SERVER_CORE):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import litestar, uvicorn"], env=serving.environment({}), check=True)
        return time.perf_counter() - started


def _start() -> tuple[float, float]:
    """Seconds until it is ready, including migrations, and its memory a moment later."""
    port = serving.free_port()
    with empty_directory() as nothing:
        environ = serving.environment(nothing.settings) | {"STOCKY_PORT": str(port)}
        with pinned(SERVER_CORE):
            started = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "stocky", "serve"],
                env=environ,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        try:
            while not _is_ready(port):
                if process.poll() is not None or time.perf_counter() - started > serving.READY_SECONDS:
                    raise Unsound("stocky serve did not become ready")
                time.sleep(POLL_SECONDS)
            seconds = time.perf_counter() - started
            time.sleep(IDLE_SECONDS)
            return seconds, resident_mib(process.pid)
        finally:
            process.terminate()
            process.wait(serving.STOP_SECONDS)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=serving.READY_SECONDS)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()

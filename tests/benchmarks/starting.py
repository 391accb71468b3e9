"""F11: the start time of an empty Stocky, and its memory when idle.

Both it and the yardstick run as a user has them: with compiled modules, and only the packages of requirements.txt. The
packages of the tests include some that a library loads if it finds them.
"""

from __future__ import annotations

import hashlib
import http.client
import subprocess
import sys
import time
from statistics import median

from tests import serving
from tests.benchmarks.data import KEPT, empty_directory, installed_environment
from tests.benchmarks.load import Unsound
from tests.benchmarks.machine import SERVER_CORE, pinned, resident_mib
from tests.benchmarks.results import Plan, Result, ratio
from tests.serving import ROOT

AT_LEAST = 5
POLL_SECONDS = 0.01
IDLE_SECONDS = 1


def measure_start(plan: Plan) -> list[Result]:
    """F11."""
    ready: list[float] = []
    imported: list[float] = []
    memory: list[float] = []
    python = _users_python()
    # Compiles the modules.
    _import_seconds(python)
    _start(python)
    for _ in range(max(plan.runs, AT_LEAST)):
        imported.append(_import_seconds(python))
        seconds, mib = _start(python)
        ready.append(seconds)
        memory.append(mib)
    return [
        Result(
            id="F11",
            what="from start to ready on an empty database: seconds",
            yardstick_is='python -c "import litestar, uvicorn"',
            subject=median(ready),
            yardstick=median(imported),
            goal="<= 1.2",
            note=f"{ratio(ready, imported):.2f} times the yardstick; the goal is in seconds, or 1.6 times",
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


def _users_python() -> str:
    """An interpreter with the packages of requirements.txt; made once for each version of that file."""
    requirements = ROOT / "requirements.txt"
    directory = KEPT / f"venv-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]}"
    python = directory / "bin" / "python"
    complete = directory / "complete"
    if not complete.exists():
        print("installing requirements.txt into a virtual environment of its own ...", flush=True)
        KEPT.mkdir(exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*install, "-r", str(requirements)], check=True)
        complete.touch()
    return str(python)


def _import_seconds(python: str) -> float:
    with pinned(SERVER_CORE):
        started = time.perf_counter()
        subprocess.run([python, "-c", "import litestar, uvicorn"], env=installed_environment({}), check=True)
        return time.perf_counter() - started


def _start(python: str) -> tuple[float, float]:
    """Seconds until it is ready, including migrations, and its memory a moment later."""
    port = serving.free_port()
    with empty_directory() as nothing:
        environ = installed_environment(nothing.settings) | {"STOCKY_PORT": str(port)}
        with pinned(SERVER_CORE):
            started = time.perf_counter()
            process = subprocess.Popen(
                [python, "-m", "stocky", "serve"],
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

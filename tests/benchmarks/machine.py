"""The machine: cores of server and client, memory of processes, and a description without its name."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
# None where the system cannot pin processes; the same core twice where there is only one.
SERVER_CORE = _CORES[0] if _CORES else None
CLIENT_CORE = _CORES[-1] if _CORES else None


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Processes started in this block run on that core only, with all their threads."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def resident_mib(pid: int) -> float:
    """The memory a process holds, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def cpu_seconds(pid: int) -> float | None:
    """The processor time a process has used, all its threads together; None where the system does not show it."""
    try:
        # After the name, which may hold spaces: utime and stime are the 14th and 15th field.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def backend_cpu_seconds(database: str) -> float:
    """The processor time of the Postgres processes on this machine that serve a database of this name."""
    total = 0.0
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                is_backend = f" {database} ".encode() in (process / "cmdline").read_bytes()
            except OSError:
                continue
            if is_backend:
                total += cpu_seconds(int(process.name)) or 0.0
    return total


def describe() -> dict[str, str | int | float]:
    """The properties of this machine that affect the figures."""
    return {
        "processor": _processor(),
        "cores": len(_CORES) or os.cpu_count() or 1,
        "pinned": "server to one core, client to another" if len(_CORES) > 1 else "no: there is one core",
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "fsync_ms": round(_fsync_seconds() * 1000, 3),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _fsync_seconds() -> float:
    """The median time to write and sync 4 KiB; SQLite waits as long at every commit."""
    times = []
    with tempfile.TemporaryFile(dir=Path.cwd()) as file:
        for _ in range(100):
            started = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times)

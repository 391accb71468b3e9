"""F6 to F9: the effect of a backup on concurrent scans, and the time and memory of backups and restores."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx

from tests.benchmarks import servers
from tests.benchmarks.data import KEPT, Database, empty_directory, installed_environment, sqlite_database
from tests.benchmarks.load import Figures, Unsound
from tests.benchmarks.machine import resident_mib
from tests.benchmarks.results import Plan, Result, ratio
from tests.benchmarks.scanning import accounted, scans
from tests.serving import Server

MILLION = 1_000_000
MANY = 5 * MILLION
SAMPLE_SECONDS = 0.02


class Cost(NamedTuple):
    """Seconds of wall time, seconds of processor time, and the size of the output in bytes."""

    wall: float
    cpu: float
    bytes: int


def measure_scans_during_backup(plan: Plan) -> list[Result]:
    """F6."""
    alone: list[Figures] = []
    meanwhile: list[Figures] = []
    all_figures: list[Figures] = []
    with sqlite_database(events=MILLION) as database, accounted(database, all_figures):
        load = scans(database)
        with servers.stocky(database) as server:
            all_figures.append(load.run(server, plan.warm_up))
            for _ in range(plan.runs):
                alone.append(load.run(server, plan.seconds))
                with _Backups(server, database) as backups:
                    meanwhile.append(load.run(server, plan.seconds))
                    backups.ended_too_soon()
        all_figures += alone + meanwhile
    raw = {"alone": alone, "meanwhile": meanwhile}
    return [
        Result(
            id="F6",
            what="scans while a backup of 1 million events is streamed: requests/s",
            yardstick_is="alone",
            subject=median(figures.per_second for figures in meanwhile),
            yardstick=median(figures.per_second for figures in alone),
            ratio=ratio([f.per_second for f in meanwhile], [f.per_second for f in alone]),
            goal=">= 0.70",
            note="the child shares the server's core",
            raw=raw,
        ),
        Result(
            id="F6",
            what="the same, p99 in ms",
            yardstick_is="alone",
            subject=median(figures.p99_ms for figures in meanwhile),
            yardstick=median(figures.p99_ms for figures in alone),
            ratio=ratio([f.p99_ms for f in meanwhile], [f.p99_ms for f in alone]),
            goal="<= 2.5",
            raw=raw,
        ),
    ]


class _Backups:
    """Downloads backups, one after the other, for the length of the block."""

    def __init__(self, server: Server, database: Database) -> None:
        self._server = server
        self._database = database
        self._stop = threading.Event()
        self._begun = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._download)

    def __enter__(self) -> _Backups:
        self._thread.start()
        if not self._begun.wait(60):
            raise Unsound("the backup did not begin")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def ended_too_soon(self) -> None:
        """Raises Unsound when no backup was running at the end."""
        if self._failure is not None:
            raise Unsound(f"the backup failed: {self._failure}")

    def _download(self) -> None:
        try:
            with httpx.Client(headers=_key(self._database), timeout=120) as client:
                while not self._stop.is_set():
                    with client.stream("POST", f"{self._server.api}/backup/create/full/download") as answer:
                        answer.raise_for_status()
                        for _ in answer.iter_raw():
                            self._begun.set()
                            if self._stop.is_set():
                                return
        except httpx.HTTPError as error:
            self._failure = error
            self._begun.set()


def measure_backup(plan: Plan) -> list[Result]:
    """F7."""
    subject: list[Cost] = []
    yardstick: list[Cost] = []
    iterdump: list[Cost] = []
    _require_sqlite3()
    with sqlite_database(events=MILLION) as database:
        made, plain = database.directory / "made.sql.gz", database.directory / "plain.sql.gz"
        path = _path(database)
        for _ in range(plan.runs):
            yardstick.append(_cost(f"sqlite3 {path} .dump | gzip -6 > {plain}", database, plain))
            subject.append(_cost(f"{sys.executable} -m stocky backup -o {made} --json", database, made))
            iterdump.append(_cost(f'{sys.executable} -c "{_ITERDUMP}" {path}', database, path))
    least = ratio([cost.cpu for cost in iterdump], [cost.cpu for cost in yardstick])
    notes = {_CPU: f"iterdump alone, without writing a line, takes {least:.2f}"}
    return [
        Result(
            id="F7",
            what=f"backup of 1 million events: {what}",
            yardstick_is="sqlite3 .dump | gzip -6",
            subject=median(of(cost) for cost in subject),
            yardstick=median(of(cost) for cost in yardstick),
            ratio=ratio([of(cost) for cost in subject], [of(cost) for cost in yardstick]),
            goal=goal,
            note=notes.get(what, note),
            raw={"subject": subject, "yardstick": yardstick, "iterdump": iterdump},
        )
        for what, of, goal, note in _F7
    ]


_CPU = "seconds of processor time"
_F7: Sequence[tuple[str, Callable[[Cost], float], str, str]] = (
    ("seconds", lambda cost: cost.wall, "<= 1.5", "by the command line, its start included"),
    (_CPU, lambda cost: cost.cpu, "<= 1.0", ""),
    ("MiB", lambda cost: cost.bytes / 2**20, "<= 1.1", ""),
)
# Makes every line of the dump, as the backup must, and nothing else.
_ITERDUMP = "import sqlite3, sys; [None for line in sqlite3.connect(sys.argv[1]).iterdump()]"


def measure_restore(plan: Plan) -> list[Result]:
    """F8."""
    subject: list[float] = []
    yardstick: list[float] = []
    _require_sqlite3()
    with sqlite_database(events=MILLION) as database:
        dump = database.directory / "all.sql.gz"
        _cost(f"{sys.executable} -m stocky backup -o {dump} --json", database, dump)
        for _ in range(plan.runs):
            with empty_directory() as nothing:
                plain = nothing.directory / "plain.db"
                yardstick.append(_cost(f"gunzip -c {dump} | sqlite3 {plain}", nothing, plain).wall)
                plain.unlink()
                restore = f"{sys.executable} -m stocky restore {dump} --force --json"
                subject.append(_cost(restore, nothing, _path(nothing)).wall)
                if nothing.count_events() != database.count_events():
                    raise Unsound("not everything was restored")
    return [
        Result(
            id="F8",
            what="full restore of 1 million events, checks included: seconds",
            yardstick_is="gunzip -c | sqlite3, no checks",
            subject=median(subject),
            yardstick=median(yardstick),
            ratio=ratio(subject, yardstick),
            goal="<= 1.0",
            note="by the command line into an empty directory",
            raw={"subject": subject, "yardstick": yardstick},
        )
    ]


def measure_memory(plan: Plan) -> list[Result]:
    """F9."""
    results = []
    for events in (MILLION, MANY):
        with sqlite_database(events=events) as database, servers.stocky(database) as server:
            time.sleep(1)
            idle = resident_mib(server.process.pid)
            with _Peak(server.process.pid) as peak, httpx.Client(headers=_key(database), timeout=1800) as client:
                answer = client.post(f"{server.api}/backup/create/full").raise_for_status().json()
                path = f"{server.api}/system/backup/{answer['backup_id']}/download"
                dump = database.directory / "all.sql.gz"
                with dump.open("wb") as file, client.stream("GET", path) as download:
                    for chunk in download.iter_raw():
                        file.write(chunk)
                with dump.open("rb") as file:
                    client.post(
                        f"{server.api}/backup/upload/import/full?force=true", files={"file": file}
                    ).raise_for_status()
        results.append(
            Result(
                id="F9",
                what=f"memory over the idle server's, backup and restore of {events // MILLION} million events: MiB",
                yardstick_is="-",
                subject=peak.mib - idle,
                goal="<= 128",
                note=f"server and children together, the peak of {peak.samples} samples; idle {idle:.0f} MiB",
            )
        )
    return results


class _Peak:
    """The peak memory of a process and its children together in the block."""

    def __init__(self, pid: int) -> None:
        self.mib = 0.0
        self.samples = 0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            held = 0.0
            for pid in [self._pid, *_children(self._pid)]:
                try:
                    held += resident_mib(pid)
                except OSError:
                    # It ended between the two reads.
                    continue
            self.mib = max(self.mib, held)
            self.samples += 1


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _cost(command: str, database: Database, made: Path) -> Cost:
    """The cost of a command, all its processes together. Raises Unsound when it fails."""
    os.sync()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=installed_environment(database.settings),
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise Unsound(f"{command}: {done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, made.stat().st_size)


def _key(database: Database) -> dict[str, str]:
    return {"X-API-Key": database.admin_key}


def _path(database: Database) -> Path:
    return Path(database.url.removeprefix("sqlite:///"))


def _require_sqlite3() -> None:
    if shutil.which("sqlite3") is None or shutil.which("gzip") is None:
        raise Unsound("the yardstick needs the programs sqlite3 and gzip: apt-get install sqlite3 gzip")
    KEPT.mkdir(exist_ok=True)

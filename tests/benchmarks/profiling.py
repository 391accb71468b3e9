"""`python -m tests.benchmarks.profiling`: where the server's time goes under the load of F1. Needs py-spy.

Prints the functions with the most own and total time, and stores the stacks under `.bench/`:
`profile.txt` for flame graphs, one stack a line.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks import servers
from tests.benchmarks.data import KEPT, sqlite_database
from tests.benchmarks.load import Load
from tests.benchmarks.machine import CLIENT_CORE, pinned
from tests.benchmarks.scanning import scans

# Threads that wait for work; py-spy counts them as busy.
_WAITING = ("_connection_worker_thread (aiosqlite/", "_worker (concurrent/futures/", "Writer._work (")
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>.+?)(?::\d+)?\)$")


def main() -> None:
    """Records and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.profiling", description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--top", type=int, default=25, help="how many functions to print")
    parser.add_argument("--native", action="store_true", help="functions of C extensions as well")
    arguments = parser.parse_args()
    py_spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if py_spy is None:
        sys.exit("py-spy is not installed here: .venv/bin/python -m pip install py-spy")
    stacks = KEPT / "profile.txt"
    with sqlite_database() as database, servers.stocky(database) as server:
        load = scans(database)
        load.run(server, 3)
        loading = threading.Thread(target=Load.run, args=(load, server, arguments.seconds + 4))
        loading.start()
        command = [
            py_spy, "record", "--pid", str(server.process.pid), "--duration", str(arguments.seconds), "--rate", "200",
            "--format", "raw", "--output", str(stacks), *(["--native"] if arguments.native else []),
        ]  # fmt: skip
        with pinned(CLIENT_CORE):
            subprocess.run(command, check=True, capture_output=True)
        loading.join()
    print(_report(stacks.read_text("utf-8").splitlines(), arguments.top))


def _report(lines: Iterable[str], top: int) -> str:
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    threads: Counter[str] = Counter()
    samples = 0
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [_short(frame) for frame in stack.split(";")]
        if next((frame for frame in reversed(frames) if ".py" in frame), "").startswith(_WAITING):
            continue
        samples += int(count)
        own[frames[-1]] += int(count)
        is_writer = any(frame.startswith("Writer._work (") for frame in frames)
        threads["writer thread" if is_writer else "event loop"] += int(count)
        for frame in set(frames):
            total[frame] += int(count)
    shares = ", ".join(f"{name} {count / samples:.1%}" for name, count in threads.most_common())
    report = [f"{samples} samples: {shares}"]
    for title, counts in (("time of its own", own), ("time with what it calls", total)):
        report += ["", title, *(f"{count / samples:7.1%}  {frame}" for frame, count in counts.most_common(top))]
    return "\n".join(report)


def _short(frame: str) -> str:
    """A function and its file, from the package's directory on."""
    match = _FRAME.match(frame)
    if match is None:
        return frame
    file = match["file"].rpartition("site-packages/")[2]
    return f"{match['function']} ({file.removeprefix('./')})"


if __name__ == "__main__":
    main()

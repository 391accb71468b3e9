"""One process per SQLite file: a server, or a restore from the command line, holds a lock.

The lock is on a separate file: opening and closing the database file outside SQLite would drop SQLite's own locks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stocky.config import Config
from stocky.disk import NO_LOCKS, NoLocks, lock
from stocky.errors import Conflict, Unavailable

SUFFIX = "-serving"
LOOK_SECONDS = 0.1


@contextmanager
def serving_lock(config: Config, *, wait: float, otherwise: str) -> Iterator[None]:
    """Holds the lock for the block; it ends with the process. No-op on Postgres.

    Raises Conflict with the message `otherwise` when another process still has it after `wait` seconds, Unavailable
    where the file system has no locks.
    """
    if config.dialect == "postgres":
        yield
        return
    config.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock_path(config), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, time.monotonic() + wait, otherwise)
        yield
    finally:
        os.close(descriptor)


def lock_path(config: Config) -> Path:
    """The lock file; it does not exist before the database is first served."""
    return config.sqlite_path.with_name(config.sqlite_path.name + SUFFIX)


@contextmanager
def not_served(config: Config, *, otherwise: str) -> Iterator[None]:
    """Keeps servers off this database for the block, on either dialect.

    Raises Conflict with the message `otherwise` when one is serving, Unavailable when Postgres cannot be reached.
    """
    if config.dialect == "sqlite":
        with serving_lock(config, wait=0, otherwise=otherwise):
            yield
        return
    from stocky.db.migration_backend import open_backend
    from stocky.db.postgres_coordination import SERVING

    with open_backend(config) as backend:
        # Every server holds a share of this lock, and a new one waits for its own.
        (is_exclusive,) = backend.execute("SELECT pg_try_advisory_lock(:key)", {"key": SERVING}).fetchone()
        if not is_exclusive:
            raise Conflict(otherwise)
        yield


def _take(descriptor: int, until: float, otherwise: str) -> None:
    while True:
        try:
            lock(descriptor, wait=False)
            return
        except NoLocks as error:
            raise Unavailable(NO_LOCKS) from error
        except BlockingIOError:
            if time.monotonic() >= until:
                raise Conflict(otherwise) from None
        time.sleep(LOOK_SECONDS)

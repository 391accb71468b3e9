"""Readiness checks; their outcome is cached for a second, however often it is requested."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from stocky.config import Config
from stocky.db import Connection, Database, Lane
from stocky.errors import StockyError, Unavailable
from stocky.resources import resource

CACHED_SECONDS = 1.0
CHECK_SECONDS = 3.0
WELL = "ok"

_log = logging.getLogger(__name__)


class _AppliedMigration(Struct):
    migration_id: str


class Readiness:
    """The checks of one application and their last outcome."""

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._data_dir = config.data_dir
        self._dialect = config.dialect
        self._lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._checks: dict[str, str] = {}
        self._expired = 0
        database.on_lost(self._expire)

    def _expire(self) -> None:
        self._checked_at = float("-inf")
        self._expired += 1

    async def checks(self) -> dict[str, str]:
        """The outcome of each check, `ok` or the reason; not older than CACHED_SECONDS."""
        async with self._lock:
            if time.monotonic() - self._checked_at > CACHED_SECONDS:
                expired = self._expired
                self._checks = await self._run_checks()
                if expired != self._expired:
                    # Access was lost during the check, perhaps after it was checked.
                    self._checks = await self._run_checks()
                self._checked_at = time.monotonic()
        return self._checks

    async def _run_checks(self) -> dict[str, str]:
        return {
            "database": await _outcome(self._check_writable),
            "data_directory": await _outcome(self._check_data_directory),
            "schema": await _outcome(self._check_schema),
        }

    async def require(self) -> dict[str, str]:
        """The checks, when all are ok. Raises Unavailable, with the checks as its results, when one is not."""
        checks = await self.checks()
        if failing := [f"{name}: {outcome}" for name, outcome in checks.items() if outcome != WELL]:
            unavailable = Unavailable(f"Not ready: {'; '.join(failing)}", retry_after=5)
            unavailable.results = checks
            raise unavailable
        return checks

    async def _check_writable(self) -> None:
        await self._database.run(_check_writable)

    async def _check_data_directory(self) -> None:
        await asyncio.to_thread(_write_and_remove, self._data_dir)

    async def _check_schema(self) -> None:
        async with self._database.read(Lane.IDENTITY) as read:
            applied = {row.migration_id for row in await read.all("list_applied_migrations", _AppliedMigration)}
        if missing := _known_migrations(self._dialect) - applied:
            raise Unavailable(f"{len(missing)} migrations are not applied; run 'stocky migrate'")


async def _outcome(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} seconds"
    except StockyError as error:
        return error.detail
    except Exception as error:  # noqa: BLE001 - a broken check is a failed check
        # The details are for the log, not for clients.
        _log.error("A readiness check failed", exc_info=error)
        return "failed; see the log"
    return WELL


async def _check_writable(tx: Connection) -> None:
    await tx.execute("check_writable")


def _write_and_remove(directory: Path) -> None:
    try:
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".ready-") as file:
            file.write(b"ready")
            file.flush()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise Unavailable(f"cannot be written ({reason}); check its owner and the disk") from error


def _known_migrations(dialect: str) -> set[str]:
    root = resource("migrations")
    files = [*root.glob("*.sql"), *(root / dialect).glob("*.sql")]
    return {file.stem for file in files if not file.stem.endswith(".rollback")}

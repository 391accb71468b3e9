"""Backups of random bytes, which is enough for what only copies them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stocky import clock
from stocky.backup.offsite.service import Offsite
from stocky.backup.service import Backups
from stocky.backup.store import ID_FORMAT, Kind, Reason, Store, StoredBackup
from stocky.config import Config, load

# Several parts of an upload.
LARGE = 12_000_000


def offsite_of(environ: Mapping[str, str], directory: Path) -> tuple[Config, Backups, Offsite]:
    """An installation without a database; its backups are below `directory`."""
    config = load({"STOCKY_DATA_DIR": str(directory / "data"), **environ})
    config.backup_dir.mkdir(parents=True, exist_ok=True)
    backups = Backups(config)
    return config, backups, Offsite(config, backups)


def add_backup(
    store: Store,
    *,
    minutes_ago: int = 0,
    size: int = 1_000,
    reason: Reason = Reason.SCHEDULED,
    kind: Kind = Kind.SQL,
    verified_at: datetime | None = None,
    problems: tuple[str, ...] = (),
    expires_at: datetime | None = None,
    parent: StoredBackup | None = None,
) -> StoredBackup:
    """Stores a backup of this age, an increment of `parent` if given."""
    at = (clock.now() - timedelta(minutes=minutes_ago)).replace(microsecond=0)
    content = random.Random(minutes_ago).randbytes(size)
    file = store.directory / "made.partial"
    file.write_bytes(content)
    made = StoredBackup(
        id=at.astimezone(UTC).strftime(ID_FORMAT),
        kind=kind,
        filename="",
        size_bytes=size,
        created_at=at,
        reason=reason,
        sha256=hashlib.sha256(content).hexdigest(),
        verified_at=verified_at,
        problems=list(problems),
        expires_at=expires_at,
        parent_sha256=None if parent is None else parent.sha256,
        parent_size_bytes=None if parent is None else parent.size_bytes,
        base_sha256=None if parent is None else parent.base_sha256 or parent.sha256,
    )
    return store.add_backup(file, made)


def ignore_progress(phase: str, done: int, total: int | None, unit: str) -> None:
    """Takes reports and does nothing."""

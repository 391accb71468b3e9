"""Encrypted increments: each part of a chain is decrypted, and found by the SHA-256 of its encrypted file."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocky.backup.service import Backups, verify_file
from stocky.backup.store import Kind, Reason, StoredBackup
from stocky.config import load
from stocky.errors import Locked
from tests.cli.running import stocky
from tests.encryption.keys import BY_PASSPHRASE, PASSPHRASE
from tests.offsite.making import ignore_progress

pytestmark = pytest.mark.one_database


async def make(environ: dict[str, str]) -> StoredBackup:
    return await Backups(load(environ)).create(Kind.SQL, Reason.SCHEDULED, ignore_progress, incremental=True)


async def test_encrypted_chain_restores(environ: dict[str, str], encryption: dict[str, str]) -> None:
    backups = Backups(load(environ | encryption))
    base, first, last = [await make(environ | encryption) for _ in range(3)]
    assert (base.parent_sha256, first.parent_sha256, last.parent_sha256) == (None, base.sha256, first.sha256)
    assert last.filename.endswith(".sql.gz.age")
    tested = await backups.verify(last.id, ignore_progress)
    assert tested.is_good, tested.problems
    restored = stocky(environ | encryption, "restore", str(backups.store.path(last)), "--force")
    assert restored.returncode == 0, restored.stderr


async def test_increments_continue_a_base_that_is_not_encrypted(environ: dict[str, str]) -> None:
    base, last = await make(environ), await make(environ | BY_PASSPHRASE)
    assert last.parent_sha256 == base.sha256
    path = load(environ).backup_dir / last.filename
    with pytest.raises(Locked):
        await verify_file(load(environ), path, ignore_progress)
    found = await verify_file(load(environ), path, ignore_progress, passphrase=PASSPHRASE)
    assert (found.problems, found.is_as_made) == ([], True)


async def test_parent_with_another_passphrase_is_locked(environ: dict[str, str]) -> None:
    base = await make(environ | BY_PASSPHRASE)
    last = await make(environ)
    assert last.parent_sha256 == base.sha256
    path: Path = load(environ).backup_dir / last.filename
    with pytest.raises(Locked):
        await verify_file(load(environ), path, ignore_progress)
    assert (await verify_file(load(environ | BY_PASSPHRASE), path, ignore_progress)).problems == []

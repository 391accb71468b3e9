"""Encrypted increments: each part of a chain is decrypted, and found by the SHA-256 of its encrypted file."""

from __future__ import annotations

import pytest

from stocky.backup.service import Backups, verify_file
from stocky.backup.store import Kind, Reason, StoredBackup
from stocky.config import load
from stocky.errors import Locked
from tests.cli.running import stocky
from tests.encryption.keys import (
    BY_PASSPHRASE,
    FOR_RECIPIENTS,
    IDENTITY,
    OTHER_PASSPHRASE,
    PASSPHRASE,
    RECIPIENT,
    new_identity,
)
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


OTHER_IDENTITY, OTHER_RECIPIENT = new_identity()
OTHER_RECIPIENTS = {"STOCKY_BACKUP_RECIPIENTS": OTHER_RECIPIENT, "STOCKY_BACKUP_IDENTITY": OTHER_IDENTITY}
# The identity on the server opens both, and that of the new recipient only what is made from then on.
ONE_MORE = {"STOCKY_BACKUP_RECIPIENTS": f"{RECIPIENT},{OTHER_RECIPIENT}", "STOCKY_BACKUP_IDENTITY": IDENTITY}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(BY_PASSPHRASE, {"STOCKY_BACKUP_PASSPHRASE": OTHER_PASSPHRASE}, id="another passphrase"),
        pytest.param(BY_PASSPHRASE, {}, id="not encrypted any more"),
        pytest.param(BY_PASSPHRASE, FOR_RECIPIENTS, id="recipients"),
        pytest.param(FOR_RECIPIENTS, OTHER_RECIPIENTS, id="other recipients"),
        pytest.param(FOR_RECIPIENTS, ONE_MORE, id="one more recipient"),
    ],
)
async def test_base_is_due_when_the_keys_change(
    environ: dict[str, str], before: dict[str, str], after: dict[str, str]
) -> None:
    """Else each night's test restore would fail, and no single passphrase or identity could open the chain."""
    await make(environ | before)
    base, last = await make(environ | after), await make(environ | after)
    assert (base.parent_sha256, last.parent_sha256) == (None, base.sha256)
    assert (await Backups(load(environ | after)).verify(last.id, ignore_progress)).is_good


async def test_encryption_that_is_turned_on_twice_opens_the_chain(environ: dict[str, str]) -> None:
    plain, first = await make(environ), await make(environ | BY_PASSPHRASE)
    # Where the newest one is encrypted, its passphrase decides; what is not encrypted is continued by any.
    base = await make(environ | {"STOCKY_BACKUP_PASSPHRASE": OTHER_PASSPHRASE})
    again = await make(environ | BY_PASSPHRASE)
    assert (first.parent_sha256, base.parent_sha256, again.parent_sha256) == (plain.sha256, None, None)

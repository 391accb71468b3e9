"""Which backups are copied, which are held until they are, and which copies are deleted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from stocky import clock
from stocky.backup.offsite.policy import HELD_FOR, OffsitePolicy
from stocky.backup.store import OffsiteCopy, Reason, Store, StoredBackup
from stocky.config import BlobSettings, OffsiteSettings
from tests.offsite.making import add_backup

URL, OTHER = "file:///mnt/nas", "s3://bucket/prefix"


def policy_of(keep: int) -> OffsitePolicy:
    return OffsitePolicy(OffsiteSettings(destinations=(BlobSettings(url=URL), BlobSettings(url=OTHER)), keep=keep))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, policy_of(3).held_ids)


def copied(backup: StoredBackup, *urls: str) -> StoredBackup:
    copy = OffsiteCopy(copied_at=clock.now())
    return msgspec.structs.replace(backup, offsite=dict.fromkeys(urls, copy))


def names(backups: list[StoredBackup]) -> list[str]:
    return [each.filename for each in backups]


def test_only_what_stocky_made_and_would_keep_there_is_copied(store: Store) -> None:
    scheduled = [add_backup(store, minutes_ago=10 * number) for number in range(5)]
    manual = add_backup(store, minutes_ago=100, reason=Reason.MANUAL)
    for number, reason in enumerate((Reason.FOUND, Reason.UPLOADED, Reason.FETCHED)):
        add_backup(store, minutes_ago=200 + number, reason=reason)
    (store.directory / "stocky_backup_20250101_000000.sql.gz").write_bytes(b"copied here by hand")
    outstanding = policy_of(3).list_outstanding(store.list_backups(), URL)
    assert names(outstanding) == names([*scheduled[:3], manual])
    store.write_metadata(copied(scheduled[0], OTHER))
    store.write_metadata(copied(manual, URL))
    assert names(policy_of(3).list_outstanding(store.list_backups(), URL)) == names(scheduled[:3])
    assert names(policy_of(0).list_outstanding(store.list_backups(), URL)) == names(scheduled)


def test_backup_is_held_until_it_is_copied_to_every_destination(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    manual = add_backup(store, minutes_ago=90, reason=Reason.MANUAL, expires_at=clock.now() - timedelta(minutes=30))
    scheduled = [add_backup(store, minutes_ago=number) for number in (30, 20, 10)]
    assert store.remove_expired() == []
    assert store.keep_last(1) == []
    store.write_metadata(copied(manual, URL))
    assert store.remove_expired() == []
    store.write_metadata(copied(manual, URL, OTHER))
    assert names(store.remove_expired()) == [manual.filename]
    store.write_metadata(copied(scheduled[0], URL, OTHER))
    assert names(store.keep_last(1)) == [scheduled[0].filename]
    # A destination that never works costs a bounded amount of space.
    later = clock.now() + HELD_FOR
    monkeypatch.setattr(clock, "now", lambda: later)
    assert names(store.keep_last(1)) == [scheduled[1].filename]


def test_backup_dated_in_the_future_is_not_held(store: Store) -> None:
    ahead = add_backup(store, minutes_ago=-3, reason=Reason.MANUAL, expires_at=clock.now())
    within_skew = add_backup(store, minutes_ago=-1, reason=Reason.MANUAL, expires_at=clock.now())
    assert names(store.remove_expired()) == [ahead.filename]
    assert names(store.list_backups()) == [within_skew.filename]


def test_newest_of_each_reason_and_the_newest_good_copies_stay(store: Store) -> None:
    tested = clock.now()
    newest = add_backup(store, minutes_ago=0, verified_at=tested, problems=("damaged",))
    usable = add_backup(store, minutes_ago=10)
    good = add_backup(store, minutes_ago=20, verified_at=tested)
    old = add_backup(store, minutes_ago=30, verified_at=tested)
    manual = [add_backup(store, minutes_ago=40 + number, reason=Reason.MANUAL) for number in range(2)]
    copies = store.list_backups()
    assert names(policy_of(1).list_superfluous(copies)) == names([old, manual[1]])
    assert policy_of(0).list_superfluous(copies) == []
    assert {newest.filename, usable.filename, good.filename} < set(names(copies))


def test_copy_that_others_deleted_is_made_again_and_one_beyond_retention_is_not(store: Store) -> None:
    first, second, third = (copied(add_backup(store, minutes_ago=number), URL) for number in (0, 10, 20))
    for each in (first, second, third):
        store.write_metadata(each)
    backups = store.list_backups()
    assert policy_of(3).list_vanished(backups, [first, second, third], URL) == []
    assert names(policy_of(3).list_vanished(backups, [second], URL)) == names([first, third])
    older = [add_backup(store, minutes_ago=100 + number) for number in range(3)]
    assert policy_of(3).list_vanished(backups, older, URL) == []
    # Two Stockys with one prefix.
    other = msgspec.structs.replace(first, sha256="0" * 64)
    assert names(policy_of(3).list_vanished(backups, [other, second, third], URL)) == []
    assert names(policy_of(0).list_vanished(backups, [other, second, third], URL)) == [first.filename]

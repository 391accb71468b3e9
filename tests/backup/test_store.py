"""The directory of stored backups: names, metadata, expiry and retention."""

from __future__ import annotations

import gzip
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stocky import clock
from stocky.backup import reservations
from stocky.backup.store import ID_FORMAT, Kind, Reason, Store, StoredBackup, found_id
from stocky.disk import NoLocks
from stocky.errors import NotFound, OutOfSpace
from tests.serving import ROOT

GZIP = gzip.compress(b"-- Stocky backup\n", mtime=0)
NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def add(
    store: Store,
    at: datetime = NOON,
    kind: Kind = Kind.SQL,
    reason: Reason = Reason.SCHEDULED,
    content: bytes = b"content",
    verified_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> StoredBackup:
    file = store.directory / "made.partial"
    file.write_bytes(content)
    return store.add_backup(
        file,
        StoredBackup(
            id=at.strftime(ID_FORMAT),
            kind=kind,
            filename="",
            size_bytes=len(content),
            created_at=at,
            reason=reason,
            verified_at=verified_at,
            expires_at=expires_at,
        ),
    )


def test_backup_is_named_by_its_time(store: Store) -> None:
    dump, archive = add(store), add(store, NOON + timedelta(minutes=1), Kind.ARCHIVE)
    assert dump.filename == "stocky_backup_20260301_120000.sql.gz"
    assert archive.filename == "stocky-backup-2026-03-01-12-01-00.zip"
    assert store.list_backups() == [archive, dump]
    assert store.get_backup("2026-03-01-12-00-00") == dump
    assert store.path(dump).read_bytes() == b"content"
    assert not (store.directory / "made.partial").exists()


def test_metadata_is_readable_by_the_owner_only(store: Store) -> None:
    backup = add(store)
    for _ in range(2):
        store.write_metadata(backup)
        (notes,) = store.directory.glob("*.json")
        assert stat.S_IMODE(notes.stat().st_mode) == 0o600


def test_two_backups_of_one_second_get_two_names(store: Store) -> None:
    ids = {add(store).id, add(store, kind=Kind.ARCHIVE).id, add(store).id}
    assert ids == {"2026-03-01-12-00-00", "2026-03-01-12-00-01", "2026-03-01-12-00-02"}
    assert len(store.list_backups()) == 3


def test_id_is_reserved_only_once(store: Store) -> None:
    first, second = store.reserve_id(), store.reserve_id()
    assert first < second
    placed = add(store, datetime.strptime(second, ID_FORMAT).replace(tzinfo=UTC))
    assert placed.id == second
    assert store.reserve_id() > second


@pytest.mark.parametrize(
    "id",
    [
        "",
        "..",
        "../secret-key",
        "2026-03-01-12-00-01",
        "2026-3-1-12-0-0",
        "2026-99-99-99-99-99",
        "2026-03-01-12-00-00/x",
    ],
)
def test_only_backups_are_found(store: Store, id: str) -> None:
    add(store)
    (store.directory / "secret-key").write_text("secret")
    with pytest.raises(NotFound):
        store.get_backup(id)


def test_copied_file_is_listed_as_a_backup(store: Store) -> None:
    (store.directory / "stocky_backup_20250101_000000.sql.gz").write_bytes(b"from elsewhere")
    (store.directory / "stocky_backup_20259901_000000.sql.gz").write_bytes(b"no moment")
    (store.directory / "holiday.zip").write_bytes(b"no backup")
    (found,) = store.list_backups()
    assert (found.id, found.reason, found.size_bytes, found.rows) == ("2025-01-01-00-00-00", Reason.FOUND, 14, None)


def test_metadata_of_another_file_with_this_name_is_ignored(store: Store) -> None:
    backup = add(store, verified_at=NOON)
    store.path(backup).write_bytes(b"something else altogether")
    assert store.get_backup(backup.id).verified_at is None


def damaged(metadata: bytes) -> dict[str, bytes]:
    """The metadata damaged in several ways, by what is wrong."""
    return {
        "cut off": metadata[:1],
        "not UTF-8": metadata.replace(b"scheduled", b"schedule\xf7"),
        "nested too deep": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "another id": metadata.replace(b"2026-03-01-12-00-00", b"2026-03-01-12-00-0:"),
    }


@pytest.mark.parametrize("how", damaged(b""))
def test_broken_metadata_hides_no_backup_and_stops_no_retention(store: Store, how: str) -> None:
    backup = add(store)
    gone = add(store, NOON - timedelta(days=1), expires_at=clock.now() - timedelta(seconds=1))
    file = store.directory / f"{backup.filename}.json"
    file.write_bytes(damaged(file.read_bytes())[how])
    old = add(store, NOON - timedelta(days=2))
    assert [each.id for each in store.list_backups()] == [backup.id, gone.id, old.id]
    assert (store.get_backup(backup.id).reason, store.get_backup(backup.id).id) == (Reason.FOUND, backup.id)
    assert store.remove_expired() == [gone]
    newest = add(store, NOON + timedelta(days=1))
    assert store.keep_last(1) == [old]
    store.path(backup).unlink()
    store.remove_expired()
    assert sorted(each.name for each in store.directory.iterdir()) == [newest.filename, f"{newest.filename}.json"]


def test_file_whose_metadata_cannot_be_written_is_not_stored(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> None:
        raise OutOfSpace

    monkeypatch.setattr("stocky.backup.store.scratch_directory", full)
    with pytest.raises(OutOfSpace):
        add(store)
    file = store.directory / ".upload"
    file.write_bytes(GZIP)
    with pytest.raises(OutOfSpace):
        store.add_upload(file, "mine.sql.gz")
    assert list(store.directory.iterdir()) == []


def test_updated_metadata_is_stored(store: Store) -> None:
    backup = msgspec.structs.replace(add(store), verified_at=NOON, problems=["item: 3 rows, not 4"])
    store.write_metadata(backup)
    assert store.get_backup(backup.id) == backup
    assert not backup.is_good


def test_removal_leaves_no_files(store: Store) -> None:
    store.remove_backup(add(store).id)
    assert list(store.directory.iterdir()) == []


def test_expired_backups_and_orphan_metadata_are_removed(store: Store) -> None:
    gone = add(store, NOON, expires_at=clock.now() - timedelta(seconds=1))
    current = add(store, NOON + timedelta(hours=1), expires_at=clock.now() + timedelta(hours=1))
    lonely = add(store, NOON + timedelta(hours=2))
    store.path(lonely).unlink()
    assert store.remove_expired() == [gone]
    assert sorted(file.name for file in store.directory.iterdir()) == [current.filename, f"{current.filename}.json"]


def test_retention_keeps_newest_and_last_verified_backup(store: Store) -> None:
    days = [add(store, NOON + timedelta(days=day), verified_at=NOON if day == 1 else None) for day in range(6)]
    by_hand = add(store, NOON - timedelta(days=30), reason=Reason.COMMAND_LINE)
    before = [add(store, NOON + timedelta(days=day, hours=1), reason=Reason.BEFORE_RESTORE) for day in range(3)]
    removed = store.keep_last(2)
    assert {each.id for each in removed} == {days[0].id, days[2].id, days[3].id, before[0].id}
    assert {each.id for each in store.list_backups()} == {
        each.id for each in (days[1], days[4], days[5], by_hand, *before[1:])
    }


def test_untested_backups_push_out_no_verified_ones(store: Store) -> None:
    good = [add(store, NOON + timedelta(days=day), verified_at=NOON) for day in range(3)]
    untested = [add(store, NOON + timedelta(days=day)) for day in range(3, 9)]
    removed = store.keep_last(2)
    assert {each.id for each in removed} == {good[0].id, *(each.id for each in untested[:4])}


def test_backup_that_another_process_removes_stops_no_retention(store: Store) -> None:
    other = Store(store.directory)

    def remove_oldest(backups: list[StoredBackup]) -> frozenset[str]:
        other.remove_backup(backups[-1].id)
        return frozenset()

    racing = Store(store.directory, remove_oldest)
    newest, *_ = [add(store, NOON + timedelta(days=-day)) for day in range(4)]
    racing.keep_last(1)
    assert store.list_backups() == [newest]
    for day in (5, 6, 7):
        add(store, NOON - timedelta(days=day), expires_at=clock.now() - timedelta(seconds=1))
    racing.remove_expired()
    assert store.list_backups() == [newest]


def test_changes_of_two_processes_are_both_stored(store: Store) -> None:
    backup, other = add(store), Store(store.directory)

    def tested(current: StoredBackup) -> StoredBackup:
        return msgspec.structs.replace(current, verified_at=NOON)

    testing = threading.Thread(target=other.change_metadata, args=(backup.id, tested))

    def prolonged(current: StoredBackup) -> StoredBackup:
        testing.start()
        # Without a lock of the directory it would end here, and its outcome be overwritten.
        testing.join(0.5)
        return msgspec.structs.replace(current, expires_at=NOON)

    store.change_metadata(backup.id, prolonged)
    testing.join()
    stored = store.get_backup(backup.id)
    assert (stored.verified_at, stored.expires_at) == (NOON, NOON)


def test_missing_directory_has_no_backups(tmp_path: Path) -> None:
    store = Store(tmp_path / "not there yet")
    for change in (store.remove_backup, partial(store.change_metadata, change=lambda each: each)):
        with pytest.raises(NotFound):
            change("2026-03-01-12-00-00")
    assert store.list_backups() == []
    assert store.remove_expired() == []


def test_file_under_any_name_is_found_by_content(store: Store) -> None:
    contents = {
        "backup (1).sql.gz": GZIP,
        "Größe 2.SQL": b"\xef\xbb\xbf-- Stocky backup\r\n",
        "before the move": GZIP,
        "stocky_backup_20259901_000000.sql.gz": GZIP,
        'quoted" \n.zip': b"PK\x03\x04",
    }
    for name, content in contents.items():
        (store.directory / name).write_bytes(content)
    listed = {each.filename: each for each in store.list_backups()}
    assert listed.keys() == contents.keys()
    for name, backup in listed.items():
        assert (backup.reason, backup.verified_at, backup.expires_at, backup.rows) == (Reason.FOUND, None, None, None)
        assert backup.kind is (Kind.ARCHIVE if name.endswith(".zip") else Kind.SQL)
        assert re.fullmatch(r"found-[0-9a-f]{16}", backup.id)
        assert store.get_backup(backup.id) == backup
        assert store.path(backup).read_bytes() == contents[name]
    assert len({backup.id for backup in listed.values()}) == len(contents)
    noted = msgspec.structs.replace(listed["before the move"], verified_at=NOON, created_at=NOON)
    store.write_metadata(noted)
    assert store.get_backup(noted.id) == noted
    assert store.keep_last(0) == store.remove_expired() == []
    for backup in listed.values():
        store.remove_backup(backup.id)
    assert list(store.directory.iterdir()) == []


def test_other_files_and_links_are_ignored(store: Store, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.sql.gz").write_bytes(GZIP)
    inner = Store(tmp_path / "backups")
    inner.directory.mkdir()
    (inner.directory / "link.sql.gz").symlink_to(tmp_path / "outside" / "secret.sql.gz")
    (inner.directory / "linked").symlink_to(tmp_path / "outside")
    os.mkfifo(inner.directory / "pipe.sql.gz")
    (inner.directory / "folder.sql.gz").mkdir()
    for name in (b"stocky.db", b"secret-key", b"notes.sql.gz", b"empty.sql.gz", b"notes.txt.json"):
        (inner.directory / os.fsdecode(name)).write_bytes(b"" if name.startswith(b"empty") else b"SQLite format 3\0")
    (inner.directory / ".hidden.sql.gz").write_bytes(GZIP)
    (inner.directory / os.fsdecode(b"not UTF-8 \xff.sql.gz")).write_bytes(GZIP)
    assert inner.list_backups() == []
    for name in ("link.sql.gz", "../outside/secret.sql.gz", "pipe.sql.gz"):
        with pytest.raises(NotFound):
            inner.get_backup(found_id(name))
    assert inner.remove_expired() == []
    assert len(list(inner.directory.iterdir())) == 11


@pytest.mark.parametrize("suffix", ["", ".age"])
def test_links_and_directories_under_own_names_are_ignored(store: Store, suffix: str) -> None:
    (store.directory / "elsewhere").write_bytes(GZIP)
    names = [f"stocky_backup_20260101_00000{number}.sql.gz{suffix}" for number in range(3)]
    (store.directory / names[0]).symlink_to(store.directory / "elsewhere")
    (store.directory / names[1]).mkdir()
    os.mkfifo(store.directory / names[2])
    (found,) = store.list_backups()
    assert found.filename == "elsewhere"
    for second in range(3):
        with pytest.raises(NotFound):
            store.get_backup(f"2026-01-01-00-00-0{second}")


def test_metadata_of_another_file_is_ignored_for_a_found_one(store: Store) -> None:
    (store.directory / "mine.sql.gz").write_bytes(GZIP)
    (backup,) = store.list_backups()
    scheduled = msgspec.structs.replace(backup, id="2020-01-01-00-00-00", reason=Reason.SCHEDULED, verified_at=NOON)
    store.write_metadata(scheduled)
    assert store.list_backups() == [backup]
    (store.directory / "mine.sql.gz").unlink()
    (store.directory / "readme.json").write_text("{}")
    store.remove_expired()
    assert [file.name for file in store.directory.iterdir()] == ["readme.json"]


def test_two_processes_reserve_different_ids(tmp_path: Path) -> None:
    first, second = Store(tmp_path), Store(tmp_path)
    reserved = [each.reserve_id() for _ in range(5) for each in (first, second)]
    assert len(set(reserved)) == 10
    for id in reserved:
        first.release_id(id)
    assert list(tmp_path.iterdir()) == []


def test_reservation_of_a_killed_process_is_dropped(tmp_path: Path) -> None:
    code = f"""
import os
from pathlib import Path
from stocky.backup.store import Store
Store(Path({str(tmp_path)!r})).reserve_id()
os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    store = Store(tmp_path)
    id = store.reserve_id()
    # Only the reservation of the killed process is dropped, not that of another Store in this process.
    Store(tmp_path).reservations.drop_abandoned()
    assert not left.exists()
    assert store.reservations.has(id)
    store.release_id(id)
    assert list(tmp_path.iterdir()) == []


def test_reservation_without_locks_is_dropped_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_lock(descriptor: int, *, wait: bool) -> None:
        raise NoLocks

    monkeypatch.setattr(reservations, "lock", no_lock)
    store = Store(tmp_path)
    store.reserve_id()
    (file,) = tmp_path.iterdir()
    store.reservations.drop_abandoned()
    assert file.exists()
    long_ago = file.stat().st_mtime - timedelta(days=2).total_seconds()
    os.utime(file, (long_ago, long_ago))
    store.reservations.drop_abandoned()
    assert list(tmp_path.iterdir()) == []


def test_id_whose_reservation_is_dropped_before_it_is_locked_is_not_reserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dropped_first(descriptor: int, *, wait: bool) -> None:
        (tmp_path / ".promised-2026-03-01-12-00-00").unlink()

    monkeypatch.setattr(reservations, "lock", dropped_first)
    store = Store(tmp_path)
    assert not store.reservations.take("2026-03-01-12-00-00")
    monkeypatch.undo()
    assert store.reservations.take("2026-03-01-12-00-00")
    assert not store.reservations.take("2026-03-01-12-00-00")


@pytest.mark.parametrize(
    "content",
    [GZIP, b"GIF89a", b"SQLite format 3\0", b"PK\x03\x04"],
    ids=["dump", "image", "database", "archive"],
)
def test_upload_is_listed_for_a_day_whatever_it_contains(store: Store, content: bytes) -> None:
    def upload() -> StoredBackup:
        file = store.directory / ".upload"
        file.write_bytes(content)
        return store.add_upload(file, "../a\\b/my \u202ebackup.SQL.gz")

    first, second = upload(), upload()
    assert first.id != second.id
    assert re.fullmatch(r"uploaded-\d{8}-\d{6}-my_backup\.SQL\.gz", first.filename)
    assert {each.id for each in store.list_backups()} == {first.id, second.id}
    assert store.get_backup(first.id) == first
    assert (first.reason, first.kind is Kind.ARCHIVE) == (Reason.UPLOADED, content.startswith(b"PK"))
    assert first.expires_at == first.created_at + timedelta(days=1)
    assert stat.S_IMODE(store.path(first).stat().st_mode) == 0o600
    store.remove_backup(first.id)
    assert [each.id for each in store.list_backups()] == [second.id]

"""Copies at a directory and in a real S3 server: read back and compared, listed only when good, and fetched."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from stocky import clock
from stocky.backup.offsite import service, transfer
from stocky.backup.offsite.copies import list_copies, metadata_name
from stocky.backup.offsite.destinations import Destination, open_destination
from stocky.backup.offsite.service import Listing, Offsite
from stocky.backup.offsite.transfer import CopyRequest, copy
from stocky.backup.service import Backups
from stocky.backup.store import Kind, Reason, StoredBackup
from stocky.config import Config
from stocky.errors import BadRequest, Conflict, NotFound, OutOfSpace, Unavailable
from tests.offsite.making import LARGE, add_backup, ignore_progress, offsite_of


@pytest.fixture
def made(offsite_environ: dict[str, str], tmp_path: Path) -> tuple[Config, Backups, Offsite]:
    return offsite_of(offsite_environ | {"STOCKY_OFFSITE_KEEP": "2"}, tmp_path)


@pytest.fixture
def config(made: tuple[Config, Backups, Offsite]) -> Config:
    return made[0]


@pytest.fixture
def backups(made: tuple[Config, Backups, Offsite]) -> Backups:
    return made[1]


@pytest.fixture
def offsite(made: tuple[Config, Backups, Offsite]) -> Offsite:
    return made[2]


@pytest.fixture
def destination(config: Config) -> Destination:
    return open_destination(config.offsite.destinations[0])


def content_of(destination: Destination, name: str) -> bytes:
    return b"".join(destination.read(name))


async def list_now(offsite: Offsite) -> Listing:
    (listing,) = await offsite.list_destinations()
    return listing


async def test_backup_is_copied_compared_listed_and_fetched(
    config: Config, backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    # Whatever its kind and size: one part, several parts, nothing that fills the last part.
    small = add_backup(backups.store, minutes_ago=20, reason=Reason.MANUAL)
    large = add_backup(backups.store, minutes_ago=10, size=LARGE, kind=Kind.ARCHIVE, verified_at=clock.now())
    even = add_backup(backups.store, minutes_ago=0, size=10 * 2**20)
    assert await offsite.has_work()
    reports: list[tuple[str, int, int | None, str]] = []
    result = await offsite.copy_outstanding(lambda *report: reports.append(report))
    assert result.copied == {destination.url: [even.filename, large.filename, small.filename]}
    assert result.failed == []
    assert ("uploading", LARGE, LARGE, "bytes") in reports
    assert ("reading back", LARGE, LARGE, "bytes") in reports
    for each in (small, large, even):
        assert content_of(destination, each.filename) == backups.store.path(each).read_bytes()
    listing = await list_now(offsite)
    assert [each.filename for each in listing.copies] == [even.filename, large.filename, small.filename]
    assert [each.is_good for each in listing.copies] == [False, True, False]
    assert listing.copies[1].sha256 == large.sha256
    stored = {each.id: each for each in await backups.list_backups()}
    assert all(each.offsite[destination.url].copied_at is not None for each in stored.values())
    assert not await offsite.has_work()
    await backups.remove_backup(large.id)
    fetched = await offsite.fetch(large.filename, None, ignore_progress)
    assert hashlib.sha256(backups.store.path(fetched).read_bytes()).hexdigest() == large.sha256
    assert (fetched.id, fetched.reason, fetched.is_good) == (large.id, Reason.FETCHED, True)
    assert fetched.expires_at is not None
    assert not await offsite.has_work(), "it is not copied back"
    assert (await offsite.fetch(small.filename, destination.url, ignore_progress)).id == small.id, "it is stored here"


async def test_test_restore_after_the_copy_is_noted_there(
    backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    backup = add_backup(backups.store)
    await offsite.copy_outstanding(ignore_progress)
    assert not (await list_now(offsite)).copies[0].is_good
    backups.store.change_metadata(backup.id, lambda each: msgspec.structs.replace(each, verified_at=clock.now()))
    assert await offsite.has_work()
    assert (await offsite.copy_outstanding(ignore_progress)).copied == {}
    (described,) = (await list_now(offsite)).copies
    assert described.is_good
    assert not await offsite.has_work()


def damage(file: Path) -> None:
    """Changes one bit."""
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(bytes(content))


def note_problem(backups: Backups, backup: StoredBackup) -> None:
    """Notes what a test restore of a damaged file does."""
    backups.store.change_metadata(
        backup.id, lambda each: msgspec.structs.replace(each, verified_at=clock.now(), problems=["row 7 is damaged"])
    )


async def test_file_that_is_damaged_after_the_copy_says_nothing_of_the_copy(
    backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    backup = add_backup(backups.store, minutes_ago=30, verified_at=clock.now())
    await offsite.copy_outstanding(ignore_progress)
    metadata = content_of(destination, metadata_name(backup.filename))
    damage(backups.store.path(backup))
    note_problem(backups, backup)
    await offsite.copy_outstanding(ignore_progress)
    assert content_of(destination, metadata_name(backup.filename)) == metadata
    assert not await offsite.has_work(), "it is not tried again"
    # Nor when it is copied again, because the state was lost.
    backups.store.change_metadata(backup.id, lambda each: msgspec.structs.replace(each, offsite={}))
    assert (await offsite.copy_outstanding(ignore_progress)).failed == []
    assert content_of(destination, metadata_name(backup.filename)) == metadata
    newer = [add_backup(backups.store, minutes_ago=minutes) for minutes in (20, 10)]
    await offsite.copy_outstanding(ignore_progress)
    listing = await list_now(offsite)
    assert [each.filename for each in listing.copies] == [newer[1].filename, newer[0].filename, backup.filename]
    assert listing.copies[2].is_good, "the newest good copy stays"


@pytest.mark.parametrize("is_known", [True, False])
async def test_copy_is_fetched_when_the_stored_file_is_damaged(
    is_known: bool, backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    backup = add_backup(backups.store)
    await offsite.copy_outstanding(ignore_progress)
    damage(backups.store.path(backup))
    if is_known:
        note_problem(backups, backup)
    fetched = await offsite.fetch(backup.filename, None, ignore_progress)
    assert fetched.id != backup.id
    assert backups.store.is_as_made(fetched)
    assert (fetched.reason, fetched.problems) == (Reason.FETCHED, [])
    again = await offsite.fetch(backup.filename, None, ignore_progress)
    assert again.id == fetched.id, "that one is stored here now"


async def test_stored_backup_that_is_fetched_stays_for_a_day(backups: Backups, offsite: Offsite) -> None:
    hour = clock.now() + timedelta(hours=1)
    backup = add_backup(backups.store, reason=Reason.MANUAL, expires_at=hour)
    unlimited = add_backup(backups.store, minutes_ago=10)
    await offsite.copy_outstanding(ignore_progress)
    fetched = await offsite.fetch(backup.filename, None, ignore_progress)
    assert fetched.id == backup.id
    backups.store.remove_expired()
    expires_at = backups.store.get_backup(backup.id).expires_at
    assert expires_at is not None
    assert expires_at > hour + timedelta(hours=22)
    assert (await offsite.fetch(unlimited.filename, None, ignore_progress)).expires_at is None


async def test_problem_of_an_intact_file_is_noted_there(
    backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    backup = add_backup(backups.store)
    await offsite.copy_outstanding(ignore_progress)
    note_problem(backups, backup)
    await offsite.copy_outstanding(ignore_progress)
    (described,) = (await list_now(offsite)).copies
    assert described.problems == ["row 7 is damaged"]


async def test_file_without_matching_metadata_is_not_a_copy(
    backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    backup = add_backup(backups.store)
    await offsite.copy_outstanding(ignore_progress)
    metadata = content_of(destination, metadata_name(backup.filename))
    half = backups.store.path(backup).read_bytes()[:500]
    other = "stocky_backup_20260101_000000.sql.gz"
    for name, content in {
        # As left by a process that was killed before it compared the copy.
        "stocky_backup_20260102_000000.sql.gz": half,
        other: half,
        metadata_name(other): metadata,
        "stocky_backup_20260103_000000.sql.gz": half,
        "stocky_backup_20260103_000000.sql.gz.json": b"no JSON",
        "stocky_backup_20260104_000000.sql.gz.json": metadata.replace(backup.filename.encode(), b"../secret-key"),
    }.items():
        destination.put(name, [content], len(content))
    destination.put(backup.filename, [half], len(half))
    assert (await list_now(offsite)).copies == []
    with pytest.raises(NotFound):
        await offsite.fetch(other, None, ignore_progress)
    for wrong in ("../secret-key", "secret-key", ""):
        with pytest.raises(NotFound):
            await offsite.fetch(wrong, None, ignore_progress)
    with pytest.raises(NotFound, match="no off-site destination"):
        await offsite.fetch(backup.filename, "s3://another", ignore_progress)


async def test_metadata_with_a_wrong_time_is_no_copy_and_hides_no_other(
    backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    sound = add_backup(backups.store, minutes_ago=10)
    wrong = [add_backup(backups.store, minutes_ago=minutes, reason=Reason.MANUAL) for minutes in (20, 30)]
    await offsite.copy_outstanding(ignore_progress)
    assert len((await list_now(offsite)).copies) == 3
    for each, created_at in zip(
        wrong, (wrong[0].created_at.replace(tzinfo=None), clock.now() - timedelta(days=400)), strict=True
    ):
        changed = msgspec.structs.replace(each, created_at=created_at)
        content = msgspec.json.encode(changed)
        destination.put(metadata_name(each.filename), [content], len(content))
    nested = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    not_utf_8 = msgspec.json.encode(sound).replace(b"scheduled", b"schedule\xf7")
    for second, content in enumerate((nested, not_utf_8)):
        name = f"stocky_backup_20260101_00000{second}.sql.gz"
        destination.put(name, [b"x"], 1)
        destination.put(metadata_name(name), [content], len(content))
    listing = await list_now(offsite)
    assert listing.error is None
    assert [each.filename for each in listing.copies] == [sound.filename]


async def test_backup_whose_clock_was_set_is_dated_by_its_name_there(
    backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    backup = add_backup(backups.store)
    backups.store.change_metadata(
        backup.id, lambda each: msgspec.structs.replace(each, created_at=clock.now() - timedelta(days=400))
    )
    await offsite.copy_outstanding(ignore_progress)
    (copy,) = (await list_now(offsite)).copies
    assert copy.created_at == backup.created_at


async def test_retention_deletes_only_copies_of_stocky(
    backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    good = add_backup(backups.store, minutes_ago=30, verified_at=clock.now())
    old = add_backup(backups.store, minutes_ago=20)
    await offsite.copy_outstanding(ignore_progress)
    foreign = ["holiday.zip", "stocky_backup_20200101_000000.sql.gz", "stocky-notes.json", f"{old.filename}.txt"]
    for name in foreign:
        destination.put(name, [b"not a copy"], 10)
    newer = [add_backup(backups.store, minutes_ago=minutes) for minutes in (10, 5)]
    result = await offsite.copy_outstanding(ignore_progress)
    assert result.removed == 1
    stay = [*newer, good]
    assert {*destination.list_sizes()} == {
        *foreign,
        *(each.filename for each in stay),
        *(metadata_name(each.filename) for each in stay),
    }
    assert not await offsite.has_work(), "what retention deleted is not copied again"


async def test_metadata_that_a_killed_process_left_is_deleted(
    backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    backup = add_backup(backups.store, minutes_ago=10)
    await offsite.copy_outstanding(ignore_progress)
    destination.remove(backup.filename)
    foreign = metadata_name("stocky_backup_20200101_000000.sql.gz")
    destination.put(foreign, [b"{}"], 2)
    await backups.remove_backup(backup.id)
    newer = add_backup(backups.store)
    await offsite.copy_outstanding(ignore_progress)
    assert {*destination.list_sizes()} == {foreign, newer.filename, metadata_name(newer.filename)}


async def test_copies_that_others_deleted_are_noticed_and_made_again(
    backups: Backups, offsite: Offsite, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = add_backup(backups.store)
    await offsite.copy_outstanding(ignore_progress)
    for name in destination.list_sizes():
        destination.remove(name)
    assert not await offsite.has_work()
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(hours=25))
    assert await offsite.has_work(), "copies are listed once a day"
    assert (await offsite.copy_outstanding(ignore_progress)).copied == {}
    assert offsite.states[destination.url].newest is None
    assert (await offsite.copy_outstanding(ignore_progress)).copied == {destination.url: [backup.filename]}


async def test_damaged_backup_is_not_copied_and_does_not_stop_others(
    backups: Backups, offsite: Offsite, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = add_backup(backups.store, minutes_ago=0, size=LARGE)
    sound = add_backup(backups.store, minutes_ago=10)
    content = bytearray(backups.store.path(damaged).read_bytes())
    content[100] ^= 1
    backups.store.path(damaged).write_bytes(bytes(content))
    result = await offsite.copy_outstanding(ignore_progress)
    assert result.copied == {destination.url: [sound.filename]}
    (problem,) = result.failed
    assert "is damaged" in problem
    assert damaged.filename not in destination.list_sizes()
    assert not await offsite.has_work(), "it is tried again after an hour"
    assert offsite.problems == [problem]
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(hours=1, minutes=1))
    assert await offsite.has_work()
    await backups.remove_backup(damaged.id)
    assert not await offsite.has_work()
    assert offsite.problems == []


async def test_copy_of_another_stocky_is_not_replaced(
    config: Config, backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    backup = add_backup(backups.store)
    await offsite.copy_outstanding(ignore_progress)
    content = b"of another Stocky"
    other = msgspec.structs.replace(
        backup, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), offsite={}
    )
    file = backups.store.directory / "other"
    file.write_bytes(content)
    with pytest.raises(Conflict, match="prefix of its own"):
        await asyncio.to_thread(
            copy,
            CopyRequest(destination=config.offsite.destinations[0], file=str(file), backup=other),
            ignore_progress,
        )
    assert content_of(destination, backup.filename) == backups.store.path(backup).read_bytes()


async def test_copy_damaged_later_is_not_fetched_and_is_replaced_when_copied_again(
    backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    backup = add_backup(backups.store)
    await offsite.copy_outstanding(ignore_progress)
    content = bytearray(backups.store.path(backup).read_bytes())
    content[7] ^= 1
    destination.put(backup.filename, [bytes(content)], len(content))
    file = backups.store.path(backup).rename(backups.store.directory / ".elsewhere")
    with pytest.raises(BadRequest, match="is damaged"):
        await offsite.fetch(backup.filename, None, ignore_progress)
    file.rename(backups.store.path(backup))
    backups.store.change_metadata(backup.id, lambda each: msgspec.structs.replace(each, offsite={}))
    await offsite.copy_outstanding(ignore_progress)
    assert content_of(destination, backup.filename) == backups.store.path(backup).read_bytes()


async def test_damaged_copy_is_replaced_with_keys_that_may_not_delete(
    config: Config,
    backups: Backups,
    offsite: Offsite,
    destination: Destination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backup = add_backup(backups.store)
    await offsite.copy_outstanding(ignore_progress)
    destination.put(backup.filename, [b"damaged"], 7)

    def refuse(destination: Destination, name: str) -> None:
        raise Unavailable("these keys may not delete")

    monkeypatch.setattr(type(destination), "remove", refuse)
    request = CopyRequest(
        destination=config.offsite.destinations[0], file=str(backups.store.path(backup)), backup=backup
    )
    with monkeypatch.context() as cut_off:
        cut_off.setattr(transfer, "_local_pieces", lambda *given: iter([b"other"]))
        with pytest.raises(Unavailable, match="does not return"):
            await asyncio.to_thread(copy, request, ignore_progress)
    assert (await list_now(offsite)).copies == [], "what is replaced is not a good copy"
    await asyncio.to_thread(copy, request, ignore_progress)
    assert content_of(destination, backup.filename) == backups.store.path(backup).read_bytes()
    assert [each.filename for each in (await list_now(offsite)).copies] == [backup.filename]


async def test_state_survives_a_restart_and_a_broken_file(
    config: Config, backups: Backups, offsite: Offsite, destination: Destination
) -> None:
    backup = add_backup(backups.store, verified_at=clock.now())
    await offsite.copy_outstanding(ignore_progress)
    await backups.remove_backup(backup.id)
    again = Offsite(config, Backups(config))
    assert not await again.has_work()
    state = again.states[destination.url]
    assert (state.copies, state.size_bytes) == (1, backup.size_bytes)
    assert state.newest == state.newest_good == backup.created_at
    without_zone = json.dumps({destination.url: {"listed_at": "2026-03-01T12:00:00"}}).encode()
    for damaged in (b'{"s3://\xf7":{}}', b'{"x":{"x":' + b"[" * 100_000, without_zone, b"{"):
        (config.backup_dir / ".offsite.json").write_bytes(damaged)
        assert await again.has_work(), "the copies are listed again"
    await again.copy_outstanding(ignore_progress)
    assert again.states[destination.url].newest == backup.created_at


class TestDirectory:
    """A mounted share: it may be absent, and what a killed process left is removed."""

    @pytest.fixture
    def offsite_environ(self, share: Path) -> dict[str, str]:
        return {"STOCKY_OFFSITE_URL": f"file://{share}"}

    async def test_directory_of_an_unmounted_share_is_not_created(
        self, share: Path, backups: Backups, offsite: Offsite
    ) -> None:
        backup = add_backup(backups.store)
        await asyncio.to_thread(share.rmdir)
        (problem,) = (await offsite.copy_outstanding(ignore_progress)).failed
        assert "does not exist; mount the share" in problem
        assert not await asyncio.to_thread(share.exists)
        listing = await list_now(offsite)
        assert listing.error == problem
        with pytest.raises(Unavailable, match="mount the share"):
            await offsite.fetch(backup.filename, None, ignore_progress)

    def test_full_disk_stores_nothing(
        self, share: Path, config: Config, backups: Backups, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backup = add_backup(backups.store)
        request = CopyRequest(
            destination=config.offsite.destinations[0], file=str(backups.store.path(backup)), backup=backup
        )
        real = os.fsync

        def full(descriptor: int) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutOfSpace, match="free some"):
            copy(request, ignore_progress)
        monkeypatch.setattr(os, "fsync", real)
        assert list(share.iterdir()) == []

    def test_partial_files_of_killed_processes_are_removed_after_a_day(
        self, share: Path, config: Config, backups: Backups
    ) -> None:
        old, new, foreign = share / ".stocky-1.part", share / ".stocky-2.part", share / "film.part"
        for file in (old, new, foreign):
            file.write_bytes(b"half")
        for file in (old, foreign):
            os.utime(file, (0, 0))
        backup = add_backup(backups.store)
        destination = config.offsite.destinations[0]
        copy(
            CopyRequest(destination=destination, file=str(backups.store.path(backup)), backup=backup),
            ignore_progress,
        )
        assert (old.exists(), new.exists(), foreign.exists()) == (False, True, True)
        assert [each.filename for each in list_copies(open_destination(destination))] == [backup.filename]
        assert (share / backup.filename).stat().st_mode & 0o777 == 0o600

    async def test_links_and_directories_are_no_copies(
        self, share: Path, backups: Backups, offsite: Offsite, tmp_path: Path
    ) -> None:
        backup = add_backup(backups.store)
        await offsite.copy_outstanding(ignore_progress)
        target = tmp_path / "elsewhere"
        (share / backup.filename).rename(target)
        (share / backup.filename).symlink_to(target)
        assert (await list_now(offsite)).copies == []

    def test_pipes_links_and_directories_are_not_read(self, share: Path, config: Config, tmp_path: Path) -> None:
        destination = open_destination(config.offsite.destinations[0])
        (tmp_path / "elsewhere").write_bytes(b"secret")
        (share / "link").symlink_to(tmp_path / "elsewhere")
        (share / "directory").mkdir()
        os.mkfifo(share / "pipe")
        for name in ("link", "directory", "pipe"):
            assert destination.read_small(name) is None
            with pytest.raises(NotFound):
                list(destination.read(name))


async def test_listing_that_takes_too_long_is_given_up(
    s3_environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, offsite = offsite_of(s3_environ, tmp_path)
    monkeypatch.setattr(service, "LIST_SECONDS", 0)
    assert "did not answer within" in str((await list_now(offsite)).error)


async def test_listing_may_be_longer_than_a_line_of_the_worker(
    backups: Backups, offsite: Offsite, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = [add_backup(backups.store, minutes_ago=10 * number, reason=Reason(reason)) for number, reason in
              enumerate(["scheduled", "manual", "api", "command_line"])]  # fmt: skip
    monkeypatch.setattr("stocky.worker.process.LINE_BYTES", 2**10)
    assert (await offsite.copy_outstanding(ignore_progress)).failed == []
    listing = await list_now(offsite)
    assert listing.error is None
    assert [each.filename for each in listing.copies] == [each.filename for each in stored]


def test_metadata_there_is_that_of_the_store(share: Path, tmp_path: Path) -> None:
    """Copied back into a backup directory with it, a backup is listed as it was."""
    config, backups, _ = offsite_of({"STOCKY_OFFSITE_URL": f"file://{share}"}, tmp_path)
    backup = add_backup(backups.store, verified_at=clock.now())
    destination = config.offsite.destinations[0]
    copy(CopyRequest(destination=destination, file=str(backups.store.path(backup)), backup=backup), ignore_progress)
    metadata = json.loads((share / metadata_name(backup.filename)).read_text())
    assert msgspec.convert(metadata, StoredBackup).sha256 == backup.sha256
    (listed,) = Backups(msgspec.structs.replace(config, backup_dir=share)).store.list_backups()
    assert listed.is_good

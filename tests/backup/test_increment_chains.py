"""Which backup an increment continues, which parents stay, and what the loader refuses in a chain."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from stocky import clock
from stocky.backup.chains import (
    children_of,
    complete,
    is_complete,
    parents_first,
    parents_of,
    with_chain_problems,
    without_needed,
)
from stocky.backup.dump.ledger import LedgerMark
from stocky.backup.increments import MAX_INCREMENTS, SMALL_BYTES, choose_chain
from stocky.backup.offsite.policy import OffsitePolicy
from stocky.backup.store import ID_FORMAT, Kind, Reason, Store, StoredBackup
from stocky.config import BlobSettings, OffsiteSettings

URL = "file:///mnt/nas"
MARK = LedgerMark(ledger="sqlite 0", position=1, events=1, tail="")


def backup(
    name: str,
    parent: str | None = None,
    *,
    days_ago: float = 0,
    size: int = 1_000,
    reason: Reason = Reason.SCHEDULED,
    problems: tuple[str, ...] = (),
) -> StoredBackup:
    """A backup whose SHA-256 is its name; it continues `parent`."""
    return StoredBackup(
        id=name,
        kind=Kind.SQL,
        filename=name,
        size_bytes=size,
        created_at=clock.now() - timedelta(days=days_ago),
        reason=reason,
        sha256=name,
        parent_sha256=parent,
        problems=list(problems),
        mark=MARK,
    )


def ids(backups: list[StoredBackup]) -> list[str]:
    return [each.id for each in backups]


def test_parents_and_children() -> None:
    base, first, second, other = backup("base"), backup("1", "base"), backup("2", "1"), backup("other", "base")
    stored = [other, second, first, base]
    assert ids(parents_of(second, stored)) == ["1", "base"]
    assert ids(children_of(base, stored)) == ["other", "2", "1"]
    assert ids(children_of(first, stored)) == ["2"]
    assert children_of(second, stored) == []
    assert [bool(each.problems) for each in with_chain_problems([other, second, base])] == [False, True, False]
    circle = [backup("a", "b"), backup("b", "a")]
    assert ids(parents_of(circle[0], circle)) == ["b"]
    assert complete(circle) == []
    assert ids(complete([other, second, base])) == ["other", "base"]
    assert ids(parents_first([second, other, base], stored)) == ["base", "2", "other"]


def test_increment_is_as_good_as_what_it_continues() -> None:
    base, first, second = backup("base"), backup("1", "base"), backup("2", "1")
    broken = msgspec.structs.replace(first, problems=["damaged"])
    assert [each.problems for each in with_chain_problems([second, broken, base])] == [
        ["It continues 1, which does not restore"],
        ["damaged"],
        [],
    ]
    # An undamaged copy takes its place, and is what is needed.
    copy = msgspec.structs.replace(first, id="copy", filename="copy")
    for stored in ([second, broken, copy, base], [second, copy, broken, base]):
        assert with_chain_problems(stored)[0].problems == []
        assert ids(parents_of(second, stored)) == ["copy", "base"]
        assert ids(without_needed([broken, copy, base], stored)) == ["1"]


def test_chain_through_a_file_that_was_never_read_is_not_complete() -> None:
    base, second = backup("base"), msgspec.structs.replace(backup("2", "1"), base_sha256="base")
    # Copied in by hand: what it continues is in its first lines only.
    unread = backup("1", reason=Reason.FOUND)
    (found, *_) = with_chain_problems([second, unread, base])
    assert found.problems == ["What 1 continues is not known; test-restore that"]
    assert not is_complete(second, [second, unread, base])
    assert is_complete(second, [second, backup("1", "base"), base])


def test_newest_backup_is_continued_until_a_base_is_due() -> None:
    chain = [backup("2", "1", days_ago=1), backup("1", "base", days_ago=2), backup("base", days_ago=3)]
    assert ids(choose_chain(chain, 7)) == ["2", "1", "base"]
    assert choose_chain(chain, 3) == []
    assert choose_chain([], 7) == []
    assert choose_chain(chain[:2], 7) == [], "its base is missing"
    for reason in (Reason.FOUND, Reason.UPLOADED, Reason.FETCHED, Reason.BEFORE_RESTORE):
        assert choose_chain([backup("base", reason=reason)], 7) == []
    assert choose_chain([backup("3", "2", problems=("damaged",)), *chain], 7) == []
    unmarked = msgspec.structs.replace(backup("whole"), mark=None)
    assert ids(choose_chain([unmarked, *chain], 7)) == ["2", "1", "base"]
    ahead = backup("ahead", days_ago=-30)
    assert ids(choose_chain([*chain, ahead], 7)) == ["2", "1", "base"]


def test_base_is_due_when_its_increments_are_large_or_many() -> None:
    large = 4 * SMALL_BYTES
    chain = [backup("1", "base", size=large // 2), backup("base", size=large)]
    assert ids(choose_chain(chain, 7)) == ["1", "base"]
    assert choose_chain([backup("2", "1", size=1), *chain], 7) == []
    # Small ones cost nothing, whatever the size of the base.
    assert ids(choose_chain([backup("1", "base", size=SMALL_BYTES), backup("base", size=1)], 7)) == ["1", "base"]
    many = [backup(str(number), str(number - 1) if number else None) for number in range(MAX_INCREMENTS + 1)]
    assert choose_chain(many[::-1], 7) == []
    assert len(choose_chain(many[-2::-1], 7)) == MAX_INCREMENTS


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def add(
    store: Store, hours_ago: int, parent: StoredBackup | None = None, *, reason: Reason = Reason.SCHEDULED
) -> StoredBackup:
    content = f"{hours_ago} {reason}".encode()
    at = (clock.now() - timedelta(hours=hours_ago)).replace(microsecond=0)
    file = store.directory / "made.partial"
    file.write_bytes(content)
    made = StoredBackup(
        id=at.strftime(ID_FORMAT),
        kind=Kind.SQL,
        filename="",
        size_bytes=len(content),
        created_at=at,
        reason=reason,
        expires_at=at + timedelta(hours=1) if reason is Reason.MANUAL else None,
        sha256=hashlib.sha256(content).hexdigest(),
        parent_sha256=parent.sha256 if parent is not None else None,
        mark=MARK,
    )
    return store.add_backup(file, made)


def test_retention_keeps_what_the_last_ones_need(store: Store) -> None:
    old = add(store, 90)
    base = add(store, 80)
    chain = [base]
    for hours in (70, 60, 50, 40):
        chain.append(add(store, hours, chain[-1]))
    assert ids(store.keep_last(2)) == [old.id]
    assert ids(store.list_backups()) == ids(chain[::-1])
    # The chain goes as a whole when none of it is among the last.
    for hours in (30, 20):
        add(store, hours)
    assert sorted(ids(store.keep_last(2))) == sorted(ids(chain))


def test_expiry_spares_what_an_increment_needs(store: Store) -> None:
    base = add(store, 3, reason=Reason.MANUAL)
    middle = add(store, 2, base, reason=Reason.MANUAL)
    last = add(store, 0, middle, reason=Reason.MANUAL)
    alone = add(store, 5, reason=Reason.MANUAL)
    assert ids(store.remove_expired()) == [alone.id]
    store.change_metadata(last.id, lambda each: msgspec.structs.replace(each, expires_at=clock.now()))
    assert sorted(ids(store.remove_expired())) == sorted(ids([base, middle, last]))


def test_backup_that_is_being_continued_is_not_removed(store: Store) -> None:
    base = add(store, 30)
    store.begin_test(base.id)
    add(store, 20)
    add(store, 10)
    assert store.keep_last(1) != []
    assert base.id in ids(store.list_backups())
    store.end_test(base.id)
    assert ids(store.keep_last(1)) == [base.id]


def test_offsite_copies_parents_and_keeps_them(store: Store) -> None:
    policy = OffsitePolicy(OffsiteSettings(destinations=(BlobSettings(url=URL),), keep=1))
    base = add(store, 40)
    middle = add(store, 30, base)
    last = add(store, 20, middle)
    add(store, 90)
    stored = store.list_backups()
    assert ids(policy.list_outstanding(stored, URL)) == ids([last, middle, base])
    assert policy.held_ids(stored) == {last.id, middle.id, base.id}
    assert ids(policy.list_superfluous(stored)) == [stored[-1].id]
    # Without its base, an increment is not what a restore of the latest takes.
    whole = add(store, 100)
    copies = [last, middle, whole]
    assert policy.list_superfluous(copies) == []

"""Chains of increments off site: the base is copied first, made again when it is lost, and counted as a whole."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from stocky import clock
from stocky.backup.offsite.copies import metadata_name
from stocky.backup.offsite.destinations import open_destination
from stocky.backup.offsite.service import Offsite
from stocky.backup.service import Backups
from stocky.backup.store import Reason, StoredBackup
from stocky.config import Config
from tests.offsite.making import add_backup, ignore_progress, offsite_of


@pytest.fixture
def made(offsite_environ: dict[str, str], tmp_path: Path) -> tuple[Config, Backups, Offsite]:
    return offsite_of(offsite_environ | {"STOCKY_OFFSITE_KEEP": "1"}, tmp_path)


def add_chain(backups: Backups) -> list[StoredBackup]:
    """A base and two increments, each test-restored."""
    chain: list[StoredBackup] = []
    for minutes in (40, 30, 20):
        parent = chain[-1] if chain else None
        chain.append(add_backup(backups.store, minutes_ago=minutes, parent=parent, verified_at=clock.now()))
    return chain


def remove(config: Config, backup: StoredBackup, number: int = 0) -> None:
    """Deletes a copy, as someone else does."""
    destination = open_destination(config.offsite.destinations[number])
    destination.remove(backup.filename)
    destination.remove(metadata_name(backup.filename))


async def test_parents_are_copied_before_their_increments(made: tuple[Config, Backups, Offsite]) -> None:
    config, backups, offsite = made
    base, middle, last = add_chain(backups)
    newest = add_backup(backups.store, reason=Reason.MANUAL)
    (url,) = [each.url for each in config.offsite.destinations]
    result = await offsite.copy_outstanding(ignore_progress)
    assert result.copied == {url: [each.filename for each in (newest, base, middle, last)]}


async def test_base_that_others_deleted_is_made_again_beyond_retention(
    made: tuple[Config, Backups, Offsite], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, backups, offsite = made
    base, middle, last = add_chain(backups)
    (url,) = [each.url for each in config.offsite.destinations]
    await offsite.copy_outstanding(ignore_progress)
    assert offsite.states[url].newest == offsite.states[url].newest_good == last.created_at
    remove(config, base)
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(hours=25))
    assert await offsite.has_work()
    assert (await offsite.copy_outstanding(ignore_progress)).copied == {}
    # Of what is left there, nothing can be restored.
    state = offsite.states[url]
    assert (state.copies, state.newest, state.newest_good) == (2, None, None)
    assert (await offsite.copy_outstanding(ignore_progress)).copied == {url: [base.filename]}
    assert offsite.states[url].newest_good == last.created_at
    assert {middle.filename, last.filename} <= {each.filename for each in (await offsite.list_destinations())[0].copies}


async def test_chain_is_fetched_from_where_it_is_complete(tmp_path: Path) -> None:
    shares = [tmp_path / "first", tmp_path / "second"]
    for each in shares:
        each.mkdir()
    environ = {"STOCKY_OFFSITE_URL": " ".join(f"file://{each}" for each in shares)}
    config, backups, offsite = offsite_of(environ, tmp_path / "here")
    base, middle, last = add_chain(backups)
    await offsite.copy_outstanding(ignore_progress)
    remove(config, base)
    destination, copy, parents = await offsite.find(last.filename)
    assert destination.url == f"file://{shares[1]}"
    assert [each.filename for each in (copy, *parents)] == [each.filename for each in (last, middle, base)]
    remove(config, base, 1)
    destination, _, parents = await offsite.find(last.filename)
    assert (destination.url, [each.filename for each in parents]) == (f"file://{shares[0]}", [middle.filename])


async def test_problem_of_a_chain_there_is_not_stored_here(made: tuple[Config, Backups, Offsite]) -> None:
    config, backups, offsite = made
    _, middle, last = chain = add_chain(backups)
    await offsite.copy_outstanding(ignore_progress)
    remove(config, chain[0])
    (listing,) = await offsite.list_destinations()
    assert all("is missing" in each.problems[0] for each in listing.copies)
    for each in (last, middle):
        backups.store.remove_backup(each.id)
    fetched = await offsite.fetch(last.filename, None, ignore_progress)
    assert (await backups.get_backup(fetched.id)).problems == []
    # With the base that is here it restores.
    assert [each.is_good for each in await backups.list_backups()] == [True, True, True]

"""Which stored backups are copied off site, and which copies stay there; without any access to a destination.

A backup that still has to be copied is held in the local store for HELD_FOR, whatever its retention.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta

from stocky import clock
from stocky.backup.chains import needed_by, with_chain_problems, without_needed
from stocky.backup.store import OffsiteCopy, Reason, StoredBackup
from stocky.config import OffsiteSettings

# Not what came from elsewhere: its sender has it, or it was fetched from there.
NOT_COPIED = frozenset({Reason.FOUND, Reason.UPLOADED, Reason.FETCHED})
# Bounds the local disk space that an unreachable destination costs.
HELD_FOR = timedelta(days=7)
# The pause after a failure that concerns one backup, such as a damaged file.
RETRY_ONE_AFTER = timedelta(hours=1)

_NONE = OffsiteCopy()


class OffsitePolicy:
    """The rules for the destinations of one installation."""

    def __init__(self, settings: OffsiteSettings) -> None:
        self.urls = [each.url for each in settings.destinations]
        self._keep = settings.keep

    def list_outstanding(self, backups: list[StoredBackup], url: str) -> list[StoredBackup]:
        """Those of the stored `backups`, newest first, that have no good copy at the destination.

        Without those that the retention there would delete at once.
        """
        return [each for each in self._within_retention(backups) if not is_copied(each, url)]

    def held_ids(self, backups: list[StoredBackup]) -> frozenset[str]:
        """The ids of the stored backups, newest first, that must stay until they are copied."""
        now = clock.now()
        # One dated in the future, by a wrong clock, would be held until then and longer.
        since, latest = now - HELD_FOR, now + clock.SKEW
        return frozenset(
            each.id
            for each in self._within_retention(backups)
            if since < each.created_at <= latest and not all(is_copied(each, url) for url in self.urls)
        )

    def list_superfluous(self, copies: list[StoredBackup]) -> list[StoredBackup]:
        """Those of the good copies at one destination, newest first, that its retention deletes.

        The newest copy always stays, as do the newest test-restored one and the one that a restore of the latest takes,
        and the parents of those increments that stay.
        """
        copies = with_chain_problems(copies)
        good = [each for each in copies if each.is_good]
        usable = [each for each in copies if may_be_latest(each)]
        protected = {each.filename for each in (*copies[:1], *usable[:1], *good[:1])}
        stays = {each.filename for each in self._newest_of_each_reason(copies)} | protected
        return without_needed([each for each in copies if each.filename not in stays], copies)

    def list_vanished(self, backups: list[StoredBackup], copies: list[StoredBackup], url: str) -> list[StoredBackup]:
        """Those of the stored `backups` that were copied and are not among the `copies` there any more.

        A copy of other content under the same name is that of another Stocky. Without those that the retention there
        may have deleted, which spares what an increment there needs.
        """
        found = {(each.filename, each.sha256) for each in copies}
        counts = Counter(each.reason for each in copies)
        present = [each for each in backups if (each.filename, each.sha256) in found]
        needed = {each.id for each in needed_by(present, backups)}
        return [
            each
            for each in self._within_retention(backups)
            if is_copied(each, url)
            and (each.filename, each.sha256) not in found
            and (not self._keep or counts[each.reason] < self._keep or each.id in needed)
        ]

    def _within_retention(self, backups: list[StoredBackup]) -> Iterator[StoredBackup]:
        """The backups that were made here and would stay at a destination, with the parents of increments."""
        made_here = [each for each in backups if each.reason not in NOT_COPIED and each.sha256 is not None]
        newest = list(self._newest_of_each_reason(made_here))
        wanted = {each.id for each in (*newest, *needed_by(newest, made_here))}
        return (each for each in made_here if each.id in wanted)

    def _newest_of_each_reason(self, backups: Iterable[StoredBackup]) -> Iterator[StoredBackup]:
        counts: Counter[Reason] = Counter()
        for each in backups:
            counts[each.reason] += 1
            if not self._keep or counts[each.reason] <= self._keep:
                yield each


def is_copied(backup: StoredBackup, url: str) -> bool:
    """Whether the backup has a good copy at the destination."""
    return backup.offsite.get(url, _NONE).copied_at is not None


def is_described(backup: StoredBackup, url: str) -> bool:
    """Whether the metadata beside the copy has the last test restore of the backup."""
    return backup.offsite.get(url, _NONE).tested_at == backup.verified_at


def is_due(backup: StoredBackup, url: str) -> bool:
    """Whether an outstanding copy is to be tried now, as far as this backup is concerned."""
    copy, now = backup.offsite.get(url, _NONE), clock.now()
    if copy.error is None or copy.tried_at is None:
        return True
    # A time in the future was set by a clock that was ahead.
    return not now - RETRY_ONE_AFTER < copy.tried_at <= now + clock.SKEW


def may_be_latest(copy: StoredBackup) -> bool:
    """Whether the copy is a candidate for the latest: without known problems, and not of data that was replaced."""
    return not copy.problems and copy.reason is not Reason.BEFORE_RESTORE

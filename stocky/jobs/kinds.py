"""How each kind of job is queued, repeated and stopped; `KINDS` is the only place that says so.

`tests/jobs/test_kinds.py` keeps it complete. A kind without an entry has the defaults of `JobKind`.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from stocky import clock
from stocky.jobs.phases import is_dry_run
from stocky.jobs.schemas import JobPriority

# The longest pause between two attempts.
LONGEST_DELAY = timedelta(hours=1)
# A pause is shortened by up to this part, so that jobs that failed together are not repeated together.
JITTER = 0.25
# A job that has been due for this long is claimed before urgent ones that became due later.
AGED = timedelta(minutes=10)


class JobKind(Struct, frozen=True, kw_only=True):
    """A kind of job.

    `attempts` more than 1 are for work that can be repeated safely; the pause before the second is `first_delay`, and
    each later pause is twice as long. Of the queued jobs with one `concurrency_key` one runs at a time. `stops_in` are
    the phases in which a running job can be stopped, None means all; with `stops_once` only on its first attempt, since
    an interrupted one may have gone further. `repeats` says that a user may run a failed job again, within
    `repeats_within` of its end. `ends_sessions` says that it replaces the data and all sessions, also those that follow
    it.
    """

    priority: JobPriority = JobPriority.NORMAL
    attempts: int = 1
    first_delay: timedelta = timedelta(seconds=30)
    concurrency_key: str | None = None
    stops_in: frozenset[str] | None = None
    stops_once: bool = False
    repeats: bool = False
    repeats_within: timedelta | None = None
    ends_sessions: bool = False

    def repeatable_since(self) -> datetime:
        """The moment since which a job has to have ended to be run again."""
        return clock.LONG_AGO if self.repeats_within is None else clock.now() - self.repeats_within


_LOADING = frozenset({"decrypting", "loading", "building indexes", "checking"})
_NOWHERE: frozenset[str] = frozenset()
_OF_A_USER = JobKind(priority=JobPriority.HIGH)

KINDS: dict[str, JobKind] = {
    "alerts.look": JobKind(priority=JobPriority.LOW, attempts=3, concurrency_key="alerts.look", repeats=True),
    "alerts.loans": JobKind(priority=JobPriority.LOW, attempts=3, concurrency_key="alerts.loans", repeats=True),
    "assistance.fetch": JobKind(concurrency_key="assistance.fetch"),
    "assistance.suggest": JobKind(priority=JobPriority.HIGH, concurrency_key="assistance.suggest"),
    # These begin at once, in the process that has their files, and never wait.
    "backup.create": _OF_A_USER,
    "backup.fetch": _OF_A_USER,
    "backup.import": JobKind(priority=JobPriority.HIGH, stops_in=_LOADING),
    "backup.offsite": JobKind(priority=JobPriority.LOW),
    "backup.restore": JobKind(
        priority=JobPriority.HIGH,
        stops_in=_LOADING | {"comparing", "restoring documents", "copying", "indexing the copy"},
        ends_sessions=True,
    ),
    "backup.scheduled": JobKind(priority=JobPriority.LOW, attempts=3, concurrency_key="backup", repeats=True),
    "backup.validate": _OF_A_USER,
    "backup.verify": _OF_A_USER,
    # Without it, clients would take old items for current ones.
    "catalogue.bump": JobKind(attempts=3, stops_in=_NOWHERE, repeats=True),
    "demo.fill": JobKind(priority=JobPriority.HIGH, stops_in=_NOWHERE),
    "documents.collect": JobKind(
        priority=JobPriority.LOW, attempts=3, concurrency_key="documents.collect", repeats=True
    ),
    # Most attempts are for processes that are killed, and for a database that is away.
    "import.csv": JobKind(
        priority=JobPriority.HIGH,
        attempts=10,
        concurrency_key="import",
        stops_in=frozenset({"checking"}),
        stops_once=True,
        repeats=True,
        # Its file is stored for so long.
        repeats_within=timedelta(days=7),
    ),
    # The service may be away for an hour.
    "lookup.missing": JobKind(attempts=7, concurrency_key="lookup.missing", repeats=True),
    "lookup.stubs": JobKind(priority=JobPriority.LOW, attempts=7, concurrency_key="lookup.stubs", repeats=True),
    # The second attempt is for a process that was killed during the first.
    "reorg.plan": JobKind(priority=JobPriority.HIGH, attempts=2),
}
_DEFAULT = JobKind()


def kind_named(kind: str) -> JobKind:
    """The entry of a kind, or the defaults."""
    return KINDS.get(kind, _DEFAULT)


def concurrency_key_of(kind: str, parameters: dict[str, Any]) -> str | None:
    """The key of a new job; dry runs have none, since they change nothing."""
    return None if is_dry_run(parameters) else kind_named(kind).concurrency_key


def delay_after(kind: str, attempts: int) -> timedelta:
    """The pause after this many failed attempts: doubled for each, bounded, and shortened by chance."""
    doubled: timedelta = min(kind_named(kind).first_delay * 2 ** min(attempts - 1, 20), LONGEST_DELAY)
    return doubled * (1 - JITTER * random.random())


def reason_not_to_stop(kind: str, parameters: dict[str, Any], phase: str, attempts: int) -> str | None:
    """Why a job cannot be stopped in this phase of its attempt, for people; None if it can.

    A job that waits has had `attempts`, and its phase is empty.
    """
    entry = kind_named(kind)
    if entry.stops_in is None or is_dry_run(parameters):
        return None
    if not entry.stops_in:
        return "stopping it would leave its work half done. Wait until it ends"
    if phase and phase not in entry.stops_in:
        return "it is changing the data now. Wait until it ends"
    if entry.stops_once and attempts > 1:
        return "it was interrupted while it may have changed the data, and is completed. Wait until it ends"
    return None

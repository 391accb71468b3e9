"""The notices of one process: the operations of the handlers, and the task that looks for causes and sends them.

Of several processes the one with the lease does both, so that none is sent twice. What a process sent when it was
killed, before it could record it, is sent again, by e-mail with the same Message-ID. It does not use jobs, as webhooks
do not: a slow receiver would occupy the slots of other work.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from functools import partial

from msgspec import Struct

from stocky import clock
from stocky.alerts.evaluate import DAILY_KIND, LOANS_KIND
from stocky.alerts.repository import raise_service_alert, resolve_service_alerts
from stocky.alerts.schemas import ServiceAlert
from stocky.auth.schemas import Principal
from stocky.backup.service import Backups
from stocky.config import Config
from stocky.db import Connection, Database
from stocky.errors import Conflict, NotFound, StockyError
from stocky.jobs import repository as jobs_repository
from stocky.jobs.jobs import Jobs
from stocky.jobs.repository import NewJob
from stocky.metrics import Metrics
from stocky.monitoring.storage import Storage
from stocky.notices import mail, queues, repository
from stocky.notices.causes import Causes
from stocky.notices.mail import MailOutcome
from stocky.notices.queues import ChannelQueue
from stocky.notices.schemas import ChannelKind, NewNoticeChannel, NoticeChannel, NoticeChannelChange, NoticeTest
from stocky.notices.service_client import ServiceClient
from stocky.notices.texts import NoticeText, PendingNotice, Translate, compose, compose_test, untranslated
from stocky.notices.timing import daily_due, is_quiet
from stocky.supervisor import wait_for

# The interval of the looks.
LOOK_SECONDS = 10.0
# Backups, jobs and the disk are looked at less often: files are read for them.
OTHERS_SECONDS = 60.0
TIDY_SECONDS = 3_600
# Channels that are sent to at once.
AT_ONCE = 4
# An attempt takes less than MARGIN, so that it ends before its lease does; a lease ends within clock.SKEW.
LEASE = timedelta(seconds=110)
MARGIN = timedelta(seconds=70)
# The pause between two attempts doubles from the first to the last, plus or minus JITTER.
FIRST_BACK_OFF = timedelta(seconds=30)
LAST_BACK_OFF = timedelta(hours=1)
JITTER = 0.2
# How long a channel may fail before an alert is raised, which the home page and webhooks report.
PATIENCE = timedelta(hours=1)
# How long a stopping process waits for attempts: one that is cut off would be repeated.
CLOSE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class _Sent(Struct, frozen=True):
    """A message that was sent; `day` is the daily message in it, `refused` the recipients that do not get it."""

    queue: ChannelQueue
    pending: list[PendingNotice]
    day: datetime | None
    refused: str | None


class Notices:
    """The notices of one process. No message is sent while a transaction is open."""

    def __init__(
        self,
        config: Config,
        database: Database,
        jobs: Jobs,
        backups: Backups,
        storage: Storage,
        metrics: Metrics,
        zone: tzinfo | None,
    ) -> None:
        self.sent = 0
        self.failed = 0
        self.translate: Translate = untranslated
        self._database = database
        self._jobs = jobs
        self._mail = config.mail
        self._services = ServiceClient(to_private=config.webhooks_to_private)
        self._zone = zone
        self._causes = Causes(database, backups, storage)
        self._owner = secrets.token_hex(8)
        # Monotonic time, as that of the pauses below: the clock may be set back.
        self._leased_until = 0.0
        # By channel: what was sent and could not be recorded, and until when nothing is sent since a failure could not.
        self._unrecorded: dict[int, _Sent] = {}
        self._paused_until: dict[int, float] = {}
        # What the alert says; "" before the first look, since an earlier process may have raised one.
        self._reported: str | None = ""
        self._wake = asyncio.Event()
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._is_closing = False
        self._look_at_others_at = self._tidy_at = time.monotonic()
        self._task = database.supervisor.task(
            "notices", self._look, lambda: wait_for(self._wake, LOOK_SECONDS), retry_seconds=LOOK_SECONDS
        )
        database.gate.on_data_replaced(self._look_anew)
        metrics.counter("stocky_notices_sent", "Messages about causes that this process sent", lambda: self.sent)
        metrics.counter("stocky_notices_failed", "Failed attempts of this process to send one", lambda: self.failed)

    def start(self) -> None:
        """Starts looking. Requires an open database."""
        self._task.start()

    async def close(self) -> None:
        """Stops after the attempts in progress, or cancels them after CLOSE_SECONDS; those are made again."""
        self._is_closing = True
        await self._task.close()
        tasks = list(self._sending.values())
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._leased_until > time.monotonic():
            with suppress(StockyError, TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._database.run(queues.release_lease, self._owner)

    async def add(self, new: NewNoticeChannel, by: Principal) -> NoticeChannel:
        """Raises Invalid for a URL that cannot be used, Conflict where it is not set up or there are too many."""
        await self._check(new.url, has_recipients=new.recipients is not None)
        async with self._database.transaction() as tx:
            channel = await repository.add_channel(tx, new, by)
        self._wake.set()
        return channel

    async def change(self, channel_id: int, change: NoticeChannelChange, by: Principal) -> NoticeChannel:
        """Raises NotFound, Invalid for a URL or values that cannot be used, Conflict where it is not set up."""
        async with self._database.read() as read:
            await repository.get_channel(read, channel_id)
        url = change.url if isinstance(change.url, str) else None
        await self._check(url, has_recipients=isinstance(change.recipients, list))
        async with self._database.transaction() as tx:
            channel = await repository.change_channel(tx, channel_id, change, by)
        self._wake.set()
        return channel

    async def test(self, channel_id: int) -> NoticeTest:
        """Sends a test notice now, also in quiet hours and to an inactive channel. Raises NotFound."""
        async with self._database.read() as read:
            queue = await queues.get_queue(read, channel_id)
        if queue is None:
            raise NotFound(f"There is no channel of notices with id {channel_id}")
        text = await asyncio.to_thread(compose_test, queue.name, queue.language, self.translate)
        outcome = await self._attempt(queue, text, secrets.token_hex(16))
        if outcome.error is not None:
            return NoticeTest(is_sent=False, error=outcome.error)
        # What waits for the channel is sent at once.
        await self._database.run(queues.note_success, channel_id, outcome.refused)
        self._wake.set()
        return NoticeTest(is_sent=True, error=outcome.refused)

    async def _check(self, url: str | None, *, has_recipients: bool) -> None:
        if url is not None:
            await self._services.check(url)
        if has_recipients and self._mail is None:
            raise Conflict(mail.NOT_SET_UP, field="recipients")

    def _look_anew(self) -> None:
        """The data is another: what is known about backups and jobs of the former data is gone, and so is the lease."""
        self._leased_until = 0.0
        self._look_at_others_at = time.monotonic()
        self._unrecorded.clear()
        self._reported = ""
        self._wake.set()

    async def _look(self) -> None:
        """Finds causes, and starts sending to each channel that has something to send and may."""
        async with self._database.read() as read:
            has_channels = await queues.count_channels(read) > 0
        if not has_channels:
            # What was raised about the last one is resolved, once. Not with the lease: a rollback of the migration asks
            # before it deletes a table with rows.
            if self._reported is not None:
                await self._report_failing()
            return
        if not await self._hold_lease():
            return
        await self._report_failing()
        await self._causes.look_at_alerts()
        if time.monotonic() >= self._look_at_others_at:
            # Also after one that fails: the next looks send what else there is.
            self._look_at_others_at = time.monotonic() + OTHERS_SECONDS
            await self._causes.look_at_others()
        if time.monotonic() >= self._tidy_at:
            await self._causes.tidy()
            self._tidy_at = time.monotonic() + TIDY_SECONDS
        async with self._database.read() as read:
            channels = await queues.list_queues(read)
        for queue in channels:
            if queue.is_settling is None or queue.is_settling:
                await self._settle(queue)
            elif queue.id not in self._sending and self._may_send(queue):
                # One for each channel, since slow ones with lower ids would keep a slot from the others.
                task = asyncio.create_task(self._send_in_slot(queue.id), name=f"notices of channel {queue.id}")
                self._sending[queue.id] = task
                task.add_done_callback(partial(self._ended, queue.id))

    async def _hold_lease(self) -> bool:
        """Whether this process may look and send for MARGIN from now. One process serves a SQLite file."""
        now = time.monotonic()
        if self._database.dialect == "sqlite" or self._leased_until - now > MARGIN.total_seconds():
            return True
        is_ours = await self._database.run(queues.claim_lease, self._owner, clock.now() + LEASE)
        if not is_ours or self._leased_until <= now:
            # Another process may have reported meanwhile.
            self._reported = ""
        self._leased_until = now + LEASE.total_seconds() if is_ours else 0.0
        return is_ours

    async def _settle(self, queue: ChannelQueue) -> None:
        """A channel of a restored backup skips what lasts, until the stock was looked at again."""
        if queue.is_settling is None:
            await self._database.run(_start_settling, queue.id)
            self._jobs.look_now()
            return
        async with self._database.read() as read:
            is_checked = not any(
                [await jobs_repository.list_open_jobs(read, kind) for kind in (DAILY_KIND, LOANS_KIND)]
            )
        if is_checked:
            # With what the checks have just found.
            await self._causes.look_at_alerts()
            await self._causes.look_at_others()
        await self._database.run(queues.skip_lasting, queue.id, is_settled=is_checked)

    def _may_send(self, queue: ChannelQueue) -> bool:
        now, zone = clock.now(), queue.zone(self._zone)
        if queue.next_attempt_at is not None and queue.next_attempt_at > now:
            return False
        if self._paused_until.get(queue.id, 0.0) > time.monotonic():
            return False
        return not is_quiet(now, queue.quiet_from, queue.quiet_until, zone)

    async def _send_in_slot(self, channel_id: int) -> None:
        """Waits for one of the slots, in turn; meanwhile the channel may have changed or its quiet hours begun."""
        async with self._slots:
            if self._is_closing:
                return
            async with self._database.read() as read:
                queue = await queues.get_queue(read, channel_id)
            if queue is not None and queue.is_active and queue.is_settling is False and self._may_send(queue):
                await self._send(queue)

    async def _send(self, queue: ChannelQueue) -> None:
        """Sends one message about all that is due for a channel, if anything is."""
        if queue.id in self._unrecorded:
            await self._record(queue.id)
        epoch = self._database.gate.epoch
        day = daily_due(clock.now(), queue.daily_at, queue.daily_done_at or clock.LONG_AGO, queue.zone(self._zone))
        causes = queue.at_once_causes + (queue.daily_causes if day is not None else [])
        async with self._database.read() as read:
            pending = await queues.list_unsent(read, queue.id, causes)
        if not pending:
            if day is not None and self._database.gate.epoch == epoch:
                await self._database.run(queues.end_day, queue.id, day)
            return
        if not await self._hold_lease():
            return
        text = await asyncio.to_thread(compose, pending, queue.language, self.translate)
        outcome = await self._attempt(queue, text, _message_id(queue, pending))
        if self._database.gate.epoch != epoch:
            # The causes are those of data that a restore has replaced.
            return
        if outcome.error is None:
            self.sent += 1
            if outcome.refused is not None:
                _log.warning("Channel %d of notices: %s", queue.id, outcome.refused)
            self._unrecorded[queue.id] = _Sent(queue, pending, day, outcome.refused)
            await self._record(queue.id)
            return
        self.failed += 1
        _log.warning("Channel %d of notices (%s): %s", queue.id, queue.kind.value, outcome.error)
        pause = back_off(queue.failures or 0)
        self._paused_until[queue.id] = time.monotonic() + pause.total_seconds()
        await self._database.run(queues.note_failure, queue, outcome.error, clock.now() + pause)
        # From now on the database has it, where an administrator may end it.
        del self._paused_until[queue.id]

    async def _record(self, channel_id: int) -> None:
        """Records what was sent. While the database cannot, it stays here and is not sent again."""
        sent = self._unrecorded[channel_id]
        await self._database.run(queues.note_sent, sent.queue, sent.pending, sent.day, sent.refused)
        self._unrecorded.pop(channel_id, None)

    async def _attempt(self, queue: ChannelQueue, text: NoticeText, message_id: str) -> MailOutcome:
        """Attempts to send; returns the outcome. Every error counts as one, so that the next attempt waits."""
        try:
            if queue.kind is ChannelKind.EMAIL:
                return await mail.send_mail(self._mail, queue.recipients, text, message_id)
            return MailOutcome(await self._services.send(queue.target, text))
        except Exception as error:  # noqa: BLE001 - counted as a failure, so that the next attempt waits
            _log.exception("Channel %d of notices: internal error while sending", queue.id)
            return MailOutcome(f"internal error ({type(error).__name__}); see the log")

    def _ended(self, channel_id: int, task: asyncio.Task[None]) -> None:
        self._sending.pop(channel_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, StockyError):
                _log.warning("The %s wait: %s", task.get_name(), error.detail)
            else:
                _log.error("Internal error in %s; will retry", task.get_name(), exc_info=error)

    async def _report_failing(self) -> None:
        """Raises an alert while a channel has failed for long: nobody hears of it by that channel."""
        async with self._database.read() as read:
            failing = await queues.list_failing_since(read, clock.now() - PATIENCE)
        text = f"Notices cannot be sent: {', '.join(failing)}; see the page of notices" if failing else None
        if text != self._reported:
            await self._database.run(_report, text)
            self._reported = text


async def _report(tx: Connection, text: str | None) -> None:
    if text is None:
        await resolve_service_alerts(tx, ServiceAlert.NOTICES_FAILING)
    else:
        await raise_service_alert(tx, ServiceAlert.NOTICES_FAILING, text)


async def _start_settling(tx: Connection, channel_id: int) -> None:
    """Starts a restored channel, and has the stock looked at: time alone may have begun causes since the backup."""
    await queues.start_settling(tx, channel_id)
    for kind in (DAILY_KIND, LOANS_KIND):
        await jobs_repository.add_job_unless_waiting(tx, NewJob(kind=kind))


def back_off(failures: int) -> timedelta:
    """The pause after so many failures."""
    doubled: int = 2 ** min(failures, 20)
    wait = min(FIRST_BACK_OFF * doubled, LAST_BACK_OFF)
    jitter: float = random.uniform(1 - JITTER, 1 + JITTER)
    return wait * jitter


def _message_id(queue: ChannelQueue, pending: Sequence[PendingNotice]) -> str:
    """The same for each attempt at the same causes."""
    causes = ",".join(str(each.id) for each in pending)
    return hashlib.sha256(f"{queue.id} {queue.target} {causes}".encode()).hexdigest()[:32]

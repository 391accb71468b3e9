"""Sends what waits, in order for each webhook: what is not taken holds back what follows, and is sent again.

It is not built on jobs: those have two places for all that takes long, which slow receivers would hold for hours, and
know no order. What is the same is the lease: a process that is killed holds a webhook for LEASE at most, and then
another sends on. A receiver may get a message twice, under the same `webhook-id`, and never not at all.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from contextlib import suppress
from datetime import datetime, timedelta

from stocky import clock
from stocky.db import Database
from stocky.errors import StockyError
from stocky.supervisor import wait_for
from stocky.webhooks import queues, repository
from stocky.webhooks.http_client import SECONDS, Outcome, Receivers
from stocky.webhooks.queues import Due
from stocky.webhooks.signing import sign

# Webhooks that one process sends to at once.
AT_ONCE = 8
# More than an attempt takes, so that nobody else begins the same one.
LEASE = timedelta(seconds=3 * SECONDS)
# How often one looks for what waits; what this process hands out is sent at once.
LOOK_SECONDS = 1.0
# Between two attempts: twice as long each time, from the first to the last, give or take a fifth.
FIRST_BACK_OFF = timedelta(seconds=10)
LAST_BACK_OFF = timedelta(hours=1)
JITTER = 0.2
# How long a receiver may fail before it is given up.
PATIENCE = timedelta(hours=24)
RELEASE_SECONDS = 2

_log = logging.getLogger(__name__)


class Sending:
    """The sending of one process."""

    def __init__(self, database: Database, receivers: Receivers) -> None:
        self.delivered = 0
        self.failed = 0
        self._database = database
        self._receivers = receivers
        self._owner = secrets.token_hex(8)
        self._wake = asyncio.Event()
        # On SQLite there is no other process: a lease there was left by one that has gone.
        self._has_old_leases = database.dialect == "sqlite"
        self._keeper = database.supervisor.task(
            "webhook delivery", self._send_what_waits, lambda: wait_for(self._wake, LOOK_SECONDS)
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begins to look for what waits. The database is open."""
        self._keeper.start()

    async def close(self) -> None:
        """Breaks off what is being sent; it is sent again."""
        await self._keeper.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def look_now(self) -> None:
        """Looks at once: something is to be sent."""
        self._wake.set()

    async def _send_what_waits(self) -> None:
        if self._has_old_leases:
            await self._database.run(queues.end_leases)
            self._has_old_leases = False
        while len(self._tasks) < AT_ONCE and await self._claim():
            pass

    async def _claim(self) -> bool:
        async with self._database.read() as read:
            webhook_id = await queues.find_due(read)
        if webhook_id is None:
            return False
        if await self._database.run(queues.claim, self._owner, webhook_id, clock.now() + LEASE):
            task = asyncio.create_task(self._send_all(webhook_id), name=f"webhook {webhook_id}")
            self._tasks.add(task)
            task.add_done_callback(self._forget)
        return True

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("Sending to %s failed inside Stocky; it is tried again later", task.get_name(), exc_info=error)

    async def _send_all(self, webhook_id: int) -> None:
        """Sends what waits for one webhook until nothing does, or something is not taken.

        The lease stays after what nobody expected: until it has ended nobody fails at the same again.
        """
        is_expected = True
        try:
            is_taken = True
            while is_taken:
                due = await self._database.run(queues.next_due, self._owner, webhook_id, clock.now() + LEASE)
                is_taken = due is not None and await self._deliver(due)
        except StockyError:
            # The database is away, or a restore puts its data in place; the lease ends by itself.
            return
        except Exception:
            # Raised on, to be logged: a defect has to be seen, and its lease keeps it from coming again at once.
            is_expected = False
            raise
        finally:
            if is_expected:
                with suppress(StockyError, TimeoutError):
                    async with asyncio.timeout(RELEASE_SECONDS):
                        await self._database.run(queues.release, self._owner, webhook_id)

    async def _deliver(self, due: Due) -> bool:
        """Whether the receiver has taken it."""
        outcome = await self._attempt(due)
        if outcome.error is None:
            assert outcome.status is not None
            await self._database.run(queues.note_delivered, self._owner, due, outcome.status)
            self.delivered += 1
            return True
        self.failed += 1
        await self._note_failure(due, outcome, outcome.error)
        return False

    async def _attempt(self, due: Due) -> Outcome:
        """What came of it. Whatever goes wrong is an attempt that failed, so that the next has to wait."""
        body = due.payload.encode()
        try:
            headers = headers_of(due, body)
        except ValueError as error:
            # Rows also come from backups and imports.
            return Outcome(None, f"was sent nothing, as nothing can be signed ({error}); rotate the secret")
        try:
            return await self._receivers.send(due.url, body, headers)
        except Exception as error:  # noqa: BLE001 - without a pause it would fail again at once
            _log.exception("Webhook %d: sending delivery %d failed inside Stocky", due.webhook_id, due.id)
            return Outcome(None, f"was not reached, as Stocky failed ({type(error).__name__}); its log says where")

    async def _note_failure(self, due: Due, outcome: Outcome, error: str) -> None:
        now = clock.now()
        wait = max(back_off(due.failures), timedelta(seconds=outcome.wait))
        async with self._database.transaction() as tx:
            is_ours = await queues.note_not_delivered(tx, self._owner, due, outcome.status, error, now + wait)
            # What was sent to a receiver before it was repaired says nothing about it now.
            if is_ours and (reason := _why_given_up(due, outcome, error, now)):
                await repository.disable(tx, due.webhook_id, reason)
        _log.info("Webhook %d: the receiver of delivery %d %s", due.webhook_id, due.id, error)


def headers_of(due: Due, body: bytes) -> dict[str, str]:
    """What an attempt made now is sent with; for a day after a rotation it has two signatures."""
    now = clock.now()
    timestamp = int(now.timestamp())
    signing = [due.secret]
    if due.former_secret is not None and due.former_until is not None and now < due.former_until:
        signing.append(due.former_secret)
    return {
        "webhook-id": due.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, due.message_id, timestamp, body) for secret in signing),
    }


def _why_given_up(due: Due, outcome: Outcome, error: str, now: datetime) -> str | None:
    if outcome.is_gone:
        return f"its receiver {error}"
    if due.failing_since is not None and now - due.failing_since >= PATIENCE:
        return f"its receiver has taken nothing since {due.failing_since:%Y-%m-%d %H:%M} UTC; it {error}"
    return None


def back_off(failures: int) -> timedelta:
    """How long a receiver is left alone that failed so often before."""
    doubled: int = 2 ** min(failures, 20)
    wait = min(FIRST_BACK_OFF * doubled, LAST_BACK_OFF)
    jitter: float = random.uniform(1 - JITTER, 1 + JITTER)
    return wait * jitter

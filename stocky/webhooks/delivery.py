"""Sends waiting deliveries in order per webhook: a failed delivery is retried and holds back the following ones.

It does not use jobs: these have two slots for all long-running work, which slow receivers would occupy for hours, and
no order. Like jobs it uses leases: a killed process holds a webhook for LEASE at most, then another continues.
Delivery is at least once, always with the same `webhook-id`.
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
# Longer than an attempt, so that no other process starts the same one.
LEASE = timedelta(seconds=3 * SECONDS)
# The polling interval; deliveries that this process queues are sent at once.
LOOK_SECONDS = 1.0
# The pause between two attempts doubles from the first to the last, plus or minus JITTER.
FIRST_BACK_OFF = timedelta(seconds=10)
LAST_BACK_OFF = timedelta(hours=1)
JITTER = 0.2
# How long a receiver may fail before its webhook is disabled.
PATIENCE = timedelta(hours=24)
RELEASE_SECONDS = 2

_log = logging.getLogger(__name__)


class Sender:
    """Sends the deliveries of one process."""

    def __init__(self, database: Database, receivers: Receivers) -> None:
        self.delivered = 0
        self.failed = 0
        self._database = database
        self._receivers = receivers
        self._owner = secrets.token_hex(8)
        self._wake = asyncio.Event()
        # SQLite has one process: a lease at startup was left by an earlier one.
        self._has_old_leases = database.dialect == "sqlite"
        self._keeper = database.supervisor.task(
            "webhook delivery", self._send_what_waits, lambda: wait_for(self._wake, LOOK_SECONDS)
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Starts polling for deliveries. Requires an open database."""
        self._keeper.start()

    async def close(self) -> None:
        """Cancels attempts in progress; they are sent again."""
        await self._keeper.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def look_now(self) -> None:
        """Polls at once."""
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
            _log.error("Internal error while sending to %s; will retry", task.get_name(), exc_info=error)

    async def _send_all(self, webhook_id: int) -> None:
        """Sends the deliveries of one webhook until none waits or one fails.

        After an unexpected error the lease stays until it expires, so that the error does not recur at once.
        """
        is_expected = True
        try:
            is_taken = True
            while is_taken:
                due = await self._database.run(queues.next_due, self._owner, webhook_id, clock.now() + LEASE)
                is_taken = due is not None and await self._deliver(due)
        except StockyError:
            # The database is unavailable, or a restore replaces its data; the lease expires.
            return
        except Exception:
            # Raised to be logged as a defect; the lease delays the next attempt.
            is_expected = False
            raise
        finally:
            if is_expected:
                with suppress(StockyError, TimeoutError):
                    async with asyncio.timeout(RELEASE_SECONDS):
                        await self._database.run(queues.release, self._owner, webhook_id)

    async def _deliver(self, due: Due) -> bool:
        """Whether the receiver accepted the delivery."""
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
        """Attempts a delivery. Every error counts as a failed attempt, so that the next one waits."""
        body = due.payload.encode()
        try:
            headers = headers_of(due, body)
        except ValueError as error:
            # A row may come from a backup, with an invalid secret.
            return Outcome(None, f"got no message: it cannot be signed ({error}); rotate the secret")
        try:
            return await self._receivers.send(due.url, body, headers)
        except Exception as error:  # noqa: BLE001 - counted as a failure, so that the next attempt waits
            _log.exception("Webhook %d: internal error while sending delivery %d", due.webhook_id, due.id)
            return Outcome(None, f"was not reached: internal error ({type(error).__name__}); see the log")

    async def _note_failure(self, due: Due, outcome: Outcome, error: str) -> None:
        now = clock.now()
        wait = max(back_off(due.failures), timedelta(seconds=outcome.wait))
        async with self._database.transaction() as tx:
            is_ours = await queues.note_not_delivered(tx, self._owner, due, outcome.status, error, now + wait)
            # A failure from before the webhook was repaired does not count.
            if is_ours and (reason := _why_given_up(due, outcome, error, now)):
                await repository.disable(tx, due.webhook_id, reason)
        _log.info("Webhook %d: the receiver of delivery %d %s", due.webhook_id, due.id, error)


def headers_of(due: Due, body: bytes) -> dict[str, str]:
    """The headers of an attempt made now; for a day after a rotation it has two signatures."""
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
        return f"its receiver has accepted nothing since {due.failing_since:%Y-%m-%d %H:%M} UTC; it {error}"
    return None


def back_off(failures: int) -> timedelta:
    """The pause after so many failures."""
    doubled: int = 2 ** min(failures, 20)
    wait = min(FIRST_BACK_OFF * doubled, LAST_BACK_OFF)
    jitter: float = random.uniform(1 - JITTER, 1 + JITTER)
    return wait * jitter

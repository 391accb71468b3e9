"""Webhooks of one process: the operations of the handlers, and the fan-out, sending and expiry tasks."""

from __future__ import annotations

from datetime import timedelta

from msgspec import structs

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.config import Config
from stocky.db import Database
from stocky.jobs.schedule import Schedule
from stocky.metrics import Metrics
from stocky.webhooks import queues, repository
from stocky.webhooks.delivery import Sender
from stocky.webhooks.fanout import Fanout, find_ends
from stocky.webhooks.http_client import Receivers
from stocky.webhooks.queues import Positions
from stocky.webhooks.schemas import Delivery, NewWebhook, Webhook, WebhookChange, WebhookWithSecret
from stocky.webhooks.signing import make_secret

# The interval of the fan-out.
LOOK_SECONDS = 1.0
TIDY_SECONDS = 3_600
# How long deliveries and notifications are stored, also for a receiver that is behind.
RETENTION = timedelta(days=30)
# Bounds the table when alerts are raised without end: at about 150 bytes each, at most 150 MB.
MAX_NOTIFICATIONS = 1_000_000


class Webhooks:
    """The webhooks of one process. No network request is made while a transaction is open."""

    def __init__(self, config: Config, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._receivers = Receivers(to_private=config.webhooks_to_private)
        self._fanout = Fanout(database)
        self._sender = Sender(database, self._receivers)
        metrics.counter(
            "stocky_webhooks_delivered", "Successful deliveries of this process", lambda: self._sender.delivered
        )
        metrics.counter(
            "stocky_webhooks_failed", "Failed delivery attempts of this process", lambda: self._sender.failed
        )

    def register_tasks(self, schedule: Schedule) -> None:
        """Registers the fan-out and the expiry."""
        schedule.every("webhook fan-out", LOOK_SECONDS, self._fan_out)
        schedule.every("webhook expiry", TIDY_SECONDS, self._tidy)

    def start(self) -> None:
        """Starts sending. Requires an open database."""
        self._sender.start()

    async def close(self) -> None:
        """Stops sending."""
        await self._sender.close()
        await self._receivers.close()

    async def add(self, new: NewWebhook, by: Principal) -> WebhookWithSecret:
        """Raises Invalid for a URL that webhooks may not reach, Conflict at the maximum of webhooks, Unavailable."""
        new = structs.replace(new, url=await self._receivers.check(new.url))
        ends = await find_ends(self._database)
        async with self._database.transaction() as tx:
            return await repository.add_webhook(tx, new, new.secret or make_secret(), ends, by)

    async def change(self, webhook_id: int, change: WebhookChange, by: Principal) -> Webhook:
        """Raises NotFound, Invalid for a URL that webhooks may not reach, Unavailable."""
        async with self._database.read() as read:
            await repository.get_webhook(read, webhook_id)
        if isinstance(change.url, str):
            change = structs.replace(change, url=await self._receivers.check(change.url))
        # The ends are needed only for new event types or skip_missed, and finding them may take a while.
        begins = change.skip_missed or isinstance(change.event_types, list)
        ends = await find_ends(self._database) if begins else Positions(0, 0)
        async with self._database.transaction() as tx:
            changed = await repository.change_webhook(tx, webhook_id, change, ends, by)
        self._sender.look_now()
        return changed

    async def ping(self, webhook_id: int) -> Delivery:
        """Raises NotFound, Conflict for an inactive webhook or a full queue."""
        async with self._database.transaction() as tx:
            delivery = await repository.add_ping(tx, webhook_id)
        self._sender.look_now()
        return delivery

    async def redeliver(self, webhook_id: int, delivery_id: int) -> Delivery:
        """Raises NotFound, Conflict for an inactive webhook."""
        async with self._database.transaction() as tx:
            delivery = await repository.redeliver(tx, webhook_id, delivery_id)
        self._sender.look_now()
        return delivery

    async def _fan_out(self) -> None:
        if await self._fanout.look():
            self._sender.look_now()

    async def _tidy(self) -> None:
        await self._database.run(queues.tidy, clock.now() - RETENTION, MAX_NOTIFICATIONS)

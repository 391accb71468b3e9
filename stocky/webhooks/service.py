"""Webhooks of one process: what handlers ask for, and the duties that hand out, send and tidy."""

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
from stocky.webhooks.delivery import Sending
from stocky.webhooks.fanout import Fanout, find_ends
from stocky.webhooks.http_client import Receivers
from stocky.webhooks.queues import Positions
from stocky.webhooks.schemas import Delivery, NewWebhook, Webhook, WebhookChange, WebhookWithSecret
from stocky.webhooks.signing import make_secret

# How soon what has come is handed out.
LOOK_SECONDS = 1.0
TIDY_SECONDS = 3_600
# News waits so long for a receiver that is behind, and for no longer.
KEPT = timedelta(days=30)
# A bound for a database that raises alerts without end: at about 150 bytes each, news takes 150 MB at most.
KEPT_NEWS = 1_000_000


class Webhooks:
    """What one process does about webhooks. Nothing outside is asked while a transaction is open."""

    def __init__(self, config: Config, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._receivers = Receivers(to_private=config.webhooks_to_private)
        self._handing_out = Fanout(database)
        self._sending = Sending(database, self._receivers)
        metrics.gauge("stocky_webhooks_delivered", "Deliveries taken, of this process", lambda: self._sending.delivered)
        metrics.gauge("stocky_webhooks_failed", "Attempts that failed, of this process", lambda: self._sending.failed)

    def register_tasks(self, schedule: Schedule) -> None:
        """Hands the duties to the schedule."""
        schedule.every("webhook fan-out", LOOK_SECONDS, self._hand_out)
        schedule.every("webhook expiry", TIDY_SECONDS, self._tidy)

    def start(self) -> None:
        """Begins to send. The database is open."""
        self._sending.start()

    async def close(self) -> None:
        """Sends no more."""
        await self._sending.close()
        await self._receivers.close()

    async def add(self, new: NewWebhook, by: Principal) -> WebhookWithSecret:
        """Raises Invalid for a URL that nothing may be sent to, Conflict when there are enough, Unavailable."""
        new = structs.replace(new, url=await self._receivers.check(new.url))
        ends = await find_ends(self._database)
        async with self._database.transaction() as tx:
            return await repository.add_webhook(tx, new, new.secret or make_secret(), ends, by)

    async def change(self, webhook_id: int, change: WebhookChange, by: Principal) -> Webhook:
        """Raises NotFound, Invalid for a URL that nothing may be sent to, Unavailable."""
        async with self._database.read() as read:
            await repository.get_webhook(read, webhook_id)
        if isinstance(change.url, str):
            change = structs.replace(change, url=await self._receivers.check(change.url))
        # Where it begins matters only for what it is told from now on, and finding that out may take its time.
        begins = change.skip_missed or isinstance(change.event_types, list)
        ends = await find_ends(self._database) if begins else Positions(0, 0)
        async with self._database.transaction() as tx:
            changed = await repository.change_webhook(tx, webhook_id, change, ends, by)
        self._sending.look_now()
        return changed

    async def ping(self, webhook_id: int) -> Delivery:
        """Raises NotFound, Conflict for an inactive one and for one that has enough waiting."""
        async with self._database.transaction() as tx:
            delivery = await repository.add_ping(tx, webhook_id)
        self._sending.look_now()
        return delivery

    async def redeliver(self, webhook_id: int, delivery_id: int) -> Delivery:
        """Raises NotFound, Conflict for an inactive one."""
        async with self._database.transaction() as tx:
            delivery = await repository.redeliver(tx, webhook_id, delivery_id)
        self._sending.look_now()
        return delivery

    async def _hand_out(self) -> None:
        if await self._handing_out.look():
            self._sending.look_now()

    async def _tidy(self) -> None:
        await self._database.run(queues.tidy, clock.now() - KEPT, KEPT_NEWS)

"""What each channel has to send, and its state, in the database.

A row of `notice_sent` means that a channel needs not send a cause again. The process with the lease sends; it renews
the lease before each attempt, so that no other process makes the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from stocky import clock
from stocky.db import Connection
from stocky.notices.repository import recipients_in
from stocky.notices.schemas import ChannelKind, NoticeCause, known_causes
from stocky.notices.texts import PendingNotice

# Causes in one message; far more than people read, and what is left is sent in the next one.
MAX_CAUSES = 5_000


class ChannelQueue(msgspec.Struct, frozen=True, kw_only=True):
    """A channel with all that sending needs; the state is None before its start. `target` is secret."""

    id: int
    name: str
    kind: ChannelKind
    target: str
    language: str
    at_once: str
    daily: str
    daily_at: str
    quiet_from: str | None
    quiet_until: str | None
    timezone: str
    is_active: bool
    is_settling: bool | None
    failures: int | None
    failing_since: datetime | None
    next_attempt_at: datetime | None
    daily_done_at: datetime | None

    def __repr__(self) -> str:
        return f"ChannelQueue(id={self.id})"

    @property
    def at_once_causes(self) -> list[NoticeCause]:
        return known_causes(self.at_once)

    @property
    def daily_causes(self) -> list[NoticeCause]:
        return known_causes(self.daily)

    @property
    def recipients(self) -> list[str]:
        return recipients_in(self.target) if self.kind is ChannelKind.EMAIL else []

    def zone(self, servers: tzinfo | None) -> tzinfo | None:
        """The channel's time zone; the server's, also for a name that this system does not know."""
        if not self.timezone:
            return servers
        try:
            return clock.find_zone(self.timezone)
        except ValueError:
            # A row may come from a backup of another system.
            return servers


class _Name(msgspec.Struct):
    name: str


async def count_channels(read: Connection) -> int:
    """The number of channels, inactive ones included."""
    count: int = await read.value("count_notice_channels")
    return count


async def list_queues(read: Connection) -> list[ChannelQueue]:
    """The active channels."""
    return await read.all("list_notice_queues", ChannelQueue)


async def get_queue(read: Connection, channel_id: int) -> ChannelQueue | None:
    """A channel, also an inactive one; None if it does not exist."""
    return await read.one("get_notice_queue", ChannelQueue, id=channel_id)


async def list_unsent(read: Connection, channel_id: int, causes: Sequence[NoticeCause]) -> list[PendingNotice]:
    """What the channel has to send of these causes, oldest first."""
    if not causes:
        return []
    return await read.all(
        "list_unsent_notices", PendingNotice, channel_id=channel_id, causes=list(causes), limit=MAX_CAUSES
    )


async def start_settling(tx: Connection, channel_id: int) -> None:
    """Starts a channel of a restored backup: it skips what lasts until the stock was looked at again."""
    await tx.execute("begin_notice_queue", channel_id=channel_id, is_settling=True, now=clock.now())


async def skip_lasting(tx: Connection, channel_id: int, *, is_settled: bool) -> None:
    """Skips everything that lasts now; with `is_settled` the channel sends what begins from now on."""
    await tx.execute("skip_lasting_notices", channel_id=channel_id)
    if is_settled:
        await tx.execute("settle_notice_queue", channel_id=channel_id)


async def note_sent(
    tx: Connection, queue: ChannelQueue, sent: Sequence[PendingNotice], day: datetime | None, refused: str | None
) -> None:
    """Records what was sent, unless the channel was deleted meanwhile; `day` is the daily message that was in it."""
    if await get_queue(tx, queue.id) is None:
        return
    now = clock.now()
    await tx.execute_many("note_notice_sent", [(queue.id, each.id, now) for each in sent])
    await note_success(tx, queue.id, refused)
    if day is not None:
        await end_day(tx, queue.id, day)


async def note_success(tx: Connection, channel_id: int, refused: str | None) -> None:
    """Records that the channel works; `refused` names the recipients for which it does not."""
    await tx.execute("note_notice_success", channel_id=channel_id, refused=refused, now=clock.now())


async def end_day(tx: Connection, channel_id: int, moment: datetime) -> None:
    """Records that the daily message of this moment is done."""
    await tx.execute("end_notice_day", channel_id=channel_id, moment=moment)


async def note_failure(tx: Connection, queue: ChannelQueue, error: str, next_attempt_at: datetime) -> None:
    """Records a failed attempt and delays the next one, unless the channel was changed meanwhile."""
    failure: dict[str, Any] = {"channel_id": queue.id, "failures": queue.failures or 0, "target": queue.target}
    await tx.execute("note_notice_failure", **failure, error=error, now=clock.now(), next_attempt_at=next_attempt_at)


async def list_failing_since(read: Connection, moment: datetime) -> list[str]:
    """The names of active channels that have failed since before `moment`."""
    return [each.name for each in await read.all("list_channels_failing_since", _Name, moment=moment)]


async def claim_lease(tx: Connection, owner: str, lease_until: datetime) -> bool:
    """Takes or renews the lease; False while another process holds it."""
    claimed: int = await tx.execute("claim_notice_lease", owner=owner, lease_until=lease_until, now=clock.now())
    return bool(claimed)


async def release_lease(tx: Connection, owner: str) -> None:
    """Releases the lease, so that another process continues at once."""
    await tx.execute("release_notice_lease", owner=owner)

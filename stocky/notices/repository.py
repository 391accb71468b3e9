"""The channels of notices in the database, for administrators; a channel's URL is never in a response or the audit."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.db import Connection, Listing
from stocky.errors import Conflict, Invalid, NotFound
from stocky.logs import audit
from stocky.notices.schemas import (
    ChannelKind,
    NewNoticeChannel,
    NoticeChannel,
    NoticeChannelChange,
    check_times,
    known_causes,
)
from stocky.schema import is_empty, or_current

# Each channel adds a query to every look for what is to be sent.
MAX_CHANNELS = 50


async def get_channel(read: Connection, channel_id: int) -> NoticeChannel:
    """Raises NotFound."""
    row = await read.one("get_notice_channel", dict[str, Any], id=channel_id)
    if row is None:
        raise NotFound(f"There is no channel of notices with id {channel_id}")
    return _channel(row)


async def get_channel_names(read: Connection, channel_ids: set[int]) -> dict[int, str]:
    """The names of channels by their ids; missing ones are left out."""
    rows = await read.all("list_notice_channel_names", dict[str, Any], ids=channel_ids) if channel_ids else []
    return {row["id"]: row["name"] for row in rows}


async def list_channels(
    read: Connection, *, skip: int, limit: int, listing: Listing | None = None
) -> list[NoticeChannel]:
    """Channels, in the order they were created or that of `listing`."""
    rows = await read.page("list_notice_channels", dict[str, Any], listing, skip=skip, limit=limit)
    return [_channel(row) for row in rows]


async def add_channel(tx: Connection, new: NewNoticeChannel, by: Principal) -> NoticeChannel:
    """Adds a channel, which gets what lasts now as well. Raises Conflict at MAX_CHANNELS."""
    if await tx.value("count_notice_channels") >= MAX_CHANNELS:
        raise Conflict(f"There are {MAX_CHANNELS} channels of notices already; delete one that is no longer needed")
    now = clock.now()
    channel_id = await tx.value(
        "add_notice_channel",
        name=new.name,
        kind=(ChannelKind.SERVICE if new.recipients is None else ChannelKind.EMAIL).value,
        target=new.url if new.recipients is None else _recipients(new.recipients),
        language=new.language.value,
        at_once=new.at_once,
        daily=new.daily,
        daily_at=new.daily_at,
        quiet_from=new.quiet_from,
        quiet_until=new.quiet_until,
        timezone=new.timezone,
        is_active=new.is_active,
        created_at=now,
    )
    await tx.execute("begin_notice_queue", channel_id=channel_id, is_settling=False, now=now)
    channel = await get_channel(tx, channel_id)
    await audit.record(tx, by, "created", "notice_channel", channel_id, _audit_details(channel))
    return channel


async def change_channel(tx: Connection, channel_id: int, change: NoticeChannelChange, by: Principal) -> NoticeChannel:
    """Changes the fields set in `change`. Raises NotFound, Invalid for values that do not fit together."""
    if is_empty(change):
        return await get_channel(tx, channel_id)
    before = await _open(tx, channel_id)
    target = await _target(tx, before, change)
    at_once, daily = or_current(change.at_once, before.at_once), or_current(change.daily, before.daily)
    quiet_from = or_current(change.quiet_from, before.quiet_from)
    quiet_until = or_current(change.quiet_until, before.quiet_until)
    try:
        check_times(at_once, daily, quiet_from, quiet_until)
    except ValueError as error:
        raise Invalid(str(error), field=str(error).partition(":")[0]) from None
    is_active = or_current(change.is_active, before.is_active)
    await tx.execute(
        "change_notice_channel",
        id=channel_id,
        name=or_current(change.name, before.name),
        target=target,
        language=or_current(change.language, before.language).value,
        at_once=at_once,
        daily=daily,
        daily_at=or_current(change.daily_at, before.daily_at),
        quiet_from=quiet_from,
        quiet_until=quiet_until,
        timezone=or_current(change.timezone, before.timezone),
        is_active=is_active,
        inactive_reason=None if is_active or change.is_active is False else before.inactive_reason,
    )
    if is_active:
        # It may have been repaired.
        await tx.execute("hurry_notice_queue", channel_id=channel_id, now=clock.now())
    channel = await get_channel(tx, channel_id)
    was, now = _audit_details(before), _audit_details(channel)
    changed = {field: now[field] for field in now if now[field] != was[field]}
    if change.url is not UNSET:
        # The audit trail has only the kind of service, so a change of the rest would not show.
        changed["service"] = now["service"]
    if changed:
        await audit.record(tx, by, "changed", "notice_channel", channel_id, changed)
    return channel


async def remove_channel(tx: Connection, channel_id: int, by: Principal) -> None:
    """Removes a channel. Raises NotFound."""
    channel = await _open(tx, channel_id)
    await tx.execute("remove_notice_channel", id=channel_id)
    await audit.record(tx, by, "deleted", "notice_channel", channel_id, _audit_details(channel))


def service_of(url: str) -> str:
    """The part of a URL that may be shown and logged: everything else may be a password or a token."""
    try:
        return urlsplit(url).scheme.lower()
    except ValueError:
        # A row may come from a backup, with a URL that nothing can read.
        return ""


def recipients_in(target: str) -> list[str]:
    """The recipients stored in a row; none where it came from elsewhere and is something else."""
    try:
        return msgspec.json.decode(target, type=list[str])
    except msgspec.MsgspecError:
        return []


async def _target(tx: Connection, before: NoticeChannel, change: NoticeChannelChange) -> str:
    """The new target, or the current one, which no other function reads. Raises Invalid for one of the other kind."""
    if change.url is not UNSET and before.kind is ChannelKind.EMAIL:
        raise Invalid("url: this channel sends e-mail; add another channel for a service", field="url")
    if change.recipients is not UNSET and before.kind is ChannelKind.SERVICE:
        raise Invalid("recipients: this channel uses a service; add another channel for e-mail", field="recipients")
    if isinstance(change.url, str):
        return change.url
    if isinstance(change.recipients, list):
        return _recipients(change.recipients)
    row = await tx.one("get_notice_channel", dict[str, Any], id=before.id)
    assert row is not None  # it was read in this transaction
    target: str = row["target"]
    return target


def _channel(row: dict[str, Any]) -> NoticeChannel:
    target = row.pop("target")
    is_email = row["kind"] == ChannelKind.EMAIL.value
    shown = {
        "recipients": recipients_in(target) if is_email else [],
        "service": None if is_email else service_of(target),
        "at_once": known_causes(row["at_once"]),
        "daily": known_causes(row["daily"]),
    }
    return msgspec.convert(row | shown, NoticeChannel, strict=False)


async def _open(tx: Connection, channel_id: int) -> NoticeChannel:
    """Locks and reads a channel. Raises NotFound."""
    await tx.execute("touch_notice_channel", id=channel_id, updated_at=clock.now())
    return await get_channel(tx, channel_id)


def _recipients(recipients: list[str]) -> str:
    return msgspec.json.encode(list(dict.fromkeys(recipients))).decode()


def _audit_details(channel: NoticeChannel) -> dict[str, object]:
    shown = (
        *("name", "kind", "recipients", "service", "language", "at_once", "daily", "daily_at", "quiet_from"),
        *("quiet_until", "timezone", "is_active"),
    )
    details: dict[str, object] = msgspec.to_builtins({name: getattr(channel, name) for name in shown})
    return details

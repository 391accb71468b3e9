"""Preserves revocations through a restore: inactive users, revoked keys, webhooks and channels of notices stay so."""

from __future__ import annotations

from datetime import datetime

import msgspec

from stocky.db import Connection
from stocky.errors import Conflict


class Revocations(msgspec.Struct, frozen=True):
    """The revocations in the data that is replaced, and its number of stock events."""

    usernames: list[str]
    key_hashes: list[str]
    webhooks: list[str]
    channels: list[str]
    revision: int
    events: int


class Reapplied(msgspec.Struct, frozen=True):
    """Revocations applied to the restored data: usernames, API keys by name and prefix, ids of the others."""

    inactive: list[str]
    revoked: list[str]
    silent: list[int]
    silent_channels: list[int]


NOTHING_REAPPLIED = Reapplied([], [], [], [])


class Replaced(msgspec.Struct, frozen=True):
    """The reapplied revocations, the previous number of stock events, and how long scanners were paused."""

    reapplied: Reapplied
    events_before: int
    paused_seconds: float


class _Name(msgspec.Struct):
    name: str


class _Id(msgspec.Struct):
    id: int


class _Revision(msgspec.Struct):
    revision: int


class _Count(msgspec.Struct):
    count: int


async def read_revocations(tx: Connection) -> Revocations:
    """Reads the revocations; run on the data that is replaced."""
    usernames = await tx.all("list_inactive_usernames", _Name)
    hashes = await tx.all("list_revoked_keys", _Name)
    webhooks = await tx.all("list_sending_webhooks", _Name)
    channels = await tx.all("list_sending_channels", _Name)
    revisions = await tx.all("get_auth_revision", _Revision)
    (events,) = await tx.all("count_events", _Count)
    revision = max(each.revision for each in revisions)
    return Revocations(_names(usernames), _names(hashes), _names(webhooks), _names(channels), revision, events.count)


async def reapply_revocations(tx: Connection, revocations: Revocations, moment: datetime) -> Reapplied:
    """Applies the revocations; run on the restored data. Raises Conflict when no active admin is left."""
    usernames = revocations.usernames
    hashes = revocations.key_hashes
    inactive = await tx.all("keep_inactive", _Name, usernames=usernames, moment=moment)
    revoked = await tx.all("keep_revoked", _Name, hashes=hashes, moment=moment)
    # A backup may be test-restored elsewhere, and receivers would take its events and notices as real.
    sending = revocations.webhooks
    silent = await tx.all("keep_webhooks_silent", _Id, sending=sending, moment=moment)
    channels = await tx.all("keep_channels_silent", _Id, sending=revocations.channels, moment=moment)
    await tx.execute("raise_auth_revision_above", current=revocations.revision)
    (admins,) = await tx.all("count_active_admins", _Count)
    if not admins.count:
        raise Conflict(
            f"Every admin of the backup is inactive now ({', '.join(sorted(_names(inactive)))}), so nobody could"
            " administer the restored data; activate one of them first. Nothing was changed"
        )
    return Reapplied(sorted(_names(inactive)), sorted(_names(revoked)), _ids(silent), _ids(channels))


def _ids(rows: list[_Id]) -> list[int]:
    return sorted(row.id for row in rows)


def _names(rows: list[_Name]) -> list[str]:
    return [row.name for row in rows]

"""What a restore does not bring back: users inactive, keys revoked and webhooks silent now stay so."""

from __future__ import annotations

from datetime import datetime

import msgspec

from stocky.db import Ask, Script
from stocky.errors import Conflict


class Standing(msgspec.Struct, frozen=True):
    """What was taken from someone, in the data that is replaced, and how many stock events that holds."""

    usernames: list[str]
    key_hashes: list[str]
    webhooks: list[str]
    revision: int
    events: int


class Kept(msgspec.Struct, frozen=True):
    """Whom it concerned in the restored data: usernames, API keys by name and prefix, and ids of webhooks."""

    inactive: list[str]
    revoked: list[str]
    silent: list[int]


NOTHING = Kept([], [], [])


class Replaced(msgspec.Struct, frozen=True):
    """What was kept of the data before, how many stock events that held, and for how long scanners had to wait."""

    kept: Kept
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


def read_standing() -> Script[Standing]:
    """Run on the data that is replaced."""
    usernames = yield Ask("list_inactive_usernames", into=_Name)
    hashes = yield Ask("list_revoked_keys", into=_Name)
    webhooks = yield Ask("list_sending_webhooks", into=_Name)
    revisions = yield Ask("get_auth_revision", into=_Revision)
    (events,) = yield Ask("count_events", into=_Count)
    revision = max(each.revision for each in revisions)
    return Standing(_names(usernames), _names(hashes), _names(webhooks), revision, events.count)


def keep_standing(standing: Standing, moment: datetime) -> Script[Kept]:
    """Run on the restored data. Raises Conflict when no active admin is left."""
    usernames = msgspec.json.encode(standing.usernames).decode()
    hashes = msgspec.json.encode(standing.key_hashes).decode()
    inactive = yield Ask("keep_inactive", {"usernames": usernames, "moment": moment}, into=_Name)
    revoked = yield Ask("keep_revoked", {"hashes": hashes, "moment": moment}, into=_Name)
    # A backup may be restored elsewhere, to try it, and receivers take what they are sent for what is so.
    sending = msgspec.json.encode(standing.webhooks).decode()
    silent = yield Ask("keep_webhooks_silent", {"sending": sending, "moment": moment}, into=_Id)
    yield Ask("raise_auth_revision_above", {"current": standing.revision})
    (admins,) = yield Ask("count_active_admins", into=_Count)
    if not admins.count:
        raise Conflict(
            f"Every admin of the backup is inactive now ({', '.join(sorted(_names(inactive)))}), so nobody could look"
            " after the restored data; make one of them active first. Nothing was changed"
        )
    return Kept(sorted(_names(inactive)), sorted(_names(revoked)), sorted(each.id for each in silent))


def _names(rows: list[_Name]) -> list[str]:
    return [row.name for row in rows]

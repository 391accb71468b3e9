"""Requests and responses about the channels of notices; no response has a channel's URL, which is a secret."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from stocky.auth.schemas import Email
from stocky.clock import find_zone
from stocky.schema import TRIMMED, AnyCase

LONGEST_URL = 2000
MAX_RECIPIENTS = 20


class NoticeCause(AnyCase):
    """What notices are about. Those of the stock have the names of their alerts."""

    BACKUP_FAILED = "backup_failed"
    BACKUP_UNVERIFIED = "backup_unverified"
    BACKUP_OLD = "backup_old"
    JOB_FAILED = "job_failed"
    DISK_FULL = "disk_full"
    CLOCK_WENT_BACK = "clock_went_back"
    WEBHOOK_OFF = "webhook_off"
    LOW_STOCK = "low_stock"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    OVERDUE = "overdue"
    NEGATIVE_STOCK = "negative_stock"
    STORAGE_MISMATCH = "storage_mismatch"


# The causes that the alerts of the stock raise, and the alerts of Stocky itself that are causes.
STOCK_CAUSES = (
    NoticeCause.LOW_STOCK,
    NoticeCause.EXPIRING,
    NoticeCause.EXPIRED,
    NoticeCause.OVERDUE,
    NoticeCause.NEGATIVE_STOCK,
    NoticeCause.STORAGE_MISMATCH,
)
SERVICE_CAUSES = (NoticeCause.CLOCK_WENT_BACK, NoticeCause.WEBHOOK_OFF)
# What a channel gets unless its administrator chooses: failures at once, the stock once a day.
AT_ONCE = [each for each in NoticeCause if each not in STOCK_CAUSES]
DAILY = [NoticeCause.LOW_STOCK, NoticeCause.EXPIRING, NoticeCause.EXPIRED, NoticeCause.OVERDUE]


class ChannelKind(AnyCase):
    """How a channel sends: e-mail through the server of the settings, or a service that `apprise` knows."""

    EMAIL = "email"
    SERVICE = "service"


class NoticeLanguage(AnyCase):
    """The language of a channel's messages."""

    EN = "en"
    DE = "de"


ChannelName = Annotated[str, Meta(min_length=1, max_length=100, pattern=TRIMMED, examples=["Phone of Anna"])]
Recipients = Annotated[
    list[Email],
    Meta(
        min_length=1,
        max_length=MAX_RECIPIENTS,
        description="The e-mail addresses; for a channel that sends e-mail",
        examples=[["anna@example.org"]],
    ),
]
ServiceUrl = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_URL,
        description="The address of a service in the form of `apprise`; a secret, which is never shown",
        examples=["ntfys://ntfy.example.org/stocky-7f3a"],
    ),
]
Causes = Annotated[list[NoticeCause], Meta(max_length=50, examples=[["backup_failed", "disk_full"]])]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)", examples=["08:00"])]
ZoneName = Annotated[
    str,
    Meta(
        max_length=100,
        description="The time zone of the channel's times of day; empty for the server's",
        examples=["Europe/Berlin"],
    ),
]


class NoticeChannel(Struct, kw_only=True):
    """A channel with its state. Of a service, only its name is shown, since the URL holds passwords."""

    id: int
    name: ChannelName
    kind: ChannelKind
    recipients: Annotated[list[str], Meta(description="The e-mail addresses", examples=[["anna@example.org"]])]
    service: Annotated[str | None, Meta(description="The kind of service; null for e-mail", examples=["ntfys"])]
    language: NoticeLanguage
    at_once: Causes
    daily: Causes
    daily_at: TimeOfDay
    quiet_from: TimeOfDay | None
    quiet_until: TimeOfDay | None
    timezone: ZoneName
    is_active: bool
    inactive_reason: Annotated[str | None, Meta(description="Why Stocky made it inactive")]
    last_sent_at: datetime | None
    last_error: Annotated[
        str | None,
        Meta(description="Why the last attempt failed, or did not reach some recipients; null if it did not"),
    ]
    failing_since: datetime | None
    next_attempt_at: datetime | None
    created_at: datetime
    updated_at: datetime


class NewNoticeChannel(Struct, kw_only=True):
    """A channel for notices: either `recipients` for e-mail, or the `url` of a service."""

    name: ChannelName
    recipients: Recipients | None = None
    url: ServiceUrl | None = None
    language: NoticeLanguage = NoticeLanguage.EN
    at_once: Causes = field(default_factory=lambda: list(AT_ONCE))
    daily: Causes = field(default_factory=lambda: list(DAILY))
    daily_at: TimeOfDay = "08:00"
    quiet_from: TimeOfDay | None = None
    quiet_until: TimeOfDay | None = None
    timezone: ZoneName = ""
    is_active: bool = True

    def __post_init__(self) -> None:
        if (self.recipients is None) == (self.url is None):
            raise ValueError("recipients: send either recipients, for e-mail, or the url of a service")
        _check_recipients(self.recipients)
        _check_zone(self.timezone)
        check_times(self.at_once, self.daily, self.quiet_from, self.quiet_until)


class NoticeChannelChange(Struct, kw_only=True):
    """Changes to a channel; omitted fields stay unchanged. Its kind stays: e-mail or a service."""

    name: ChannelName | UnsetType = UNSET
    recipients: Recipients | UnsetType = UNSET
    url: ServiceUrl | UnsetType = UNSET
    language: NoticeLanguage | UnsetType = UNSET
    at_once: Causes | UnsetType = UNSET
    daily: Causes | UnsetType = UNSET
    daily_at: TimeOfDay | UnsetType = UNSET
    quiet_from: TimeOfDay | None | UnsetType = UNSET
    quiet_until: TimeOfDay | None | UnsetType = UNSET
    timezone: ZoneName | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.recipients is not UNSET:
            _check_recipients(self.recipients)
        if self.timezone is not UNSET:
            _check_zone(self.timezone)


class NoticeTest(Struct, kw_only=True):
    """The outcome of a test notice."""

    is_sent: Annotated[bool, Meta(description="Whether the mail server or the service accepted it")]
    error: Annotated[
        str | None, Meta(description="The exact failure; when it was sent, the recipients that were refused, or null")
    ] = None


def known_causes(stored: str) -> list[NoticeCause]:
    """The causes stored in a row. Unknown ones are ignored: a row may come from a backup."""
    try:
        values = msgspec.json.decode(stored)
    except msgspec.DecodeError:
        return []
    names = {str(value).lower() for value in values} if isinstance(values, list) else set()
    return [each for each in NoticeCause if each.value in names]


def check_times(
    at_once: Sequence[NoticeCause], daily: Sequence[NoticeCause], quiet_from: str | None, quiet_until: str | None
) -> None:
    """Raises ValueError, beginning with the field, for values that do not fit together."""
    if both := [each.value for each in at_once if each in daily]:
        raise ValueError(f"daily: {', '.join(both)} is in at_once as well; list each cause once")
    if (quiet_from is None) != (quiet_until is None):
        missing = "quiet_from" if quiet_from is None else "quiet_until"
        raise ValueError(f"{missing}: quiet hours have a begin and an end; set both or none")
    if quiet_from is not None and quiet_from == quiet_until:
        raise ValueError("quiet_until: must differ from quiet_from")


def _check_recipients(recipients: list[str] | None) -> None:
    for each in recipients or []:
        if not each.isprintable() or any(sign in each for sign in '",;:<>()[]\\'):
            raise ValueError("recipients: must be addresses like ada@example.org, without names and brackets")


def _check_zone(name: str) -> None:
    if name:
        try:
            find_zone(name)
        except ValueError as error:
            raise ValueError(f"timezone: {error}") from None

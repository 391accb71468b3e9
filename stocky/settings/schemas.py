"""The settings with their defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

TimeOfDay = Annotated[
    str,
    Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)",
        examples=["03:00"],
        description="In the time zone `timezone`",
    ),
]
Timezone = Annotated[
    str,
    Meta(
        max_length=100,
        examples=["Europe/Berlin"],
        description="The time zone of times of day: STOCKY_TIMEZONE, else the system's. Read-only here",
    ),
]
BackupCount = Annotated[
    int, Meta(ge=1, le=365, description="The number of scheduled backups to keep, besides the newest valid one")
]
Days = Annotated[int, Meta(ge=0, le=365, description="Lots that expire within this many days are expiring soon")]


class Settings(Struct, kw_only=True, frozen=True):
    """All current settings."""

    backup_schedule_enabled: bool = False
    backup_schedule_time: TimeOfDay = "03:00"
    backup_schedule_kind: Literal["sql", "archive"] = "archive"
    backup_keep: BackupCount = 7
    expiring_soon_days: Days = 7


class ShownSettings(Settings, kw_only=True, frozen=True):
    """All current settings, with the time zone of their times of day."""

    timezone: Timezone


class SettingsChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """The settings to change."""

    backup_schedule_enabled: bool | UnsetType = UNSET
    backup_schedule_time: TimeOfDay | UnsetType = UNSET
    backup_schedule_kind: Literal["sql", "archive"] | UnsetType = UNSET
    backup_keep: BackupCount | UnsetType = UNSET
    expiring_soon_days: Days | UnsetType = UNSET
    timezone: Timezone | UnsetType = UNSET

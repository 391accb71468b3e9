"""The settings with their defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.barcodes.measures import MAX_RULES, MeasureRule, check_rules
from stocky.money import Currency, check_currency

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
        description="The time zone of days and times of day: STOCKY_TIMEZONE, else the system's. Read-only here",
    ),
]
BackupCount = Annotated[
    int, Meta(ge=1, le=365, description="The number of scheduled backups to keep, besides the newest valid one")
]
BaseDays = Annotated[
    int, Meta(ge=1, le=365, description="Increments continue a whole backup for this many days; then a new one is made")
]
Days = Annotated[int, Meta(ge=0, le=365, description="Lots that expire within this many days are expiring soon")]
EmptiedDays = Annotated[
    int, Meta(ge=0, le=3650, description="Lists leave out SKUs that are empty for more days than this; 0 for none")
]
MeasureRules = Annotated[
    tuple[MeasureRule, ...],
    Meta(
        max_length=MAX_RULES,
        description="How variable-measure barcodes, as of a shop's scales, are read; all of them",
        examples=[[{"prefix": "28", "item_digits": 5, "measure": "weight", "measure_digits": 5, "divisor": 1000}]],
    ),
]


class Settings(Struct, kw_only=True, frozen=True):
    """All current settings."""

    backup_schedule_enabled: bool = False
    backup_schedule_time: TimeOfDay = "03:00"
    backup_schedule_kind: Literal["sql", "archive"] = "archive"
    backup_keep: BackupCount = 7
    backup_incremental: bool = False
    backup_base_days: BaseDays = 7
    expiring_soon_days: Days = 7
    emptied_days: EmptiedDays = 90
    currency: Currency = "EUR"
    measure_rules: MeasureRules = ()

    def __post_init__(self) -> None:
        check_rules(self.measure_rules)


class ShownSettings(Settings, kw_only=True, frozen=True):
    """All current settings, with the time zone of their times of day."""

    timezone: Timezone


class SettingsChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """The settings to change."""

    backup_schedule_enabled: bool | UnsetType = UNSET
    backup_schedule_time: TimeOfDay | UnsetType = UNSET
    backup_schedule_kind: Literal["sql", "archive"] | UnsetType = UNSET
    backup_keep: BackupCount | UnsetType = UNSET
    backup_incremental: bool | UnsetType = UNSET
    backup_base_days: BaseDays | UnsetType = UNSET
    expiring_soon_days: Days | UnsetType = UNSET
    emptied_days: EmptiedDays | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    measure_rules: MeasureRules | UnsetType = UNSET
    timezone: Timezone | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.measure_rules is not UNSET:
            check_rules(self.measure_rules)
        if self.currency is not UNSET:
            check_currency(self.currency)

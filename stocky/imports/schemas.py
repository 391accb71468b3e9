"""Imports as they are asked for and answered."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from stocky.imports.fields import About
from stocky.schema import AnyCase


class ItemKey(AnyCase):
    """By which column the items of a file are found; `auto` takes the first of the others that a row has."""

    AUTO = "auto"
    CODE = "code"
    BARCODE = "barcode"
    NAME = "name"


class StockMode(AnyCase):
    """What a quantity means: what was counted, or what comes to it."""

    SET = "set"
    ADD = "add"


class Encoding(AnyCase):
    """How the bytes of the file are text; `auto` is UTF-8 or what a byte order mark says."""

    AUTO = "auto"
    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    CP1252 = "cp1252"


class Empty(AnyCase):
    """What an empty cell says of an item: nothing, or that there is nothing."""

    KEEP = "keep"
    CLEAR = "clear"


class ImportOptions(Struct, frozen=True, kw_only=True):
    """What an import is told beside its file. `mapping` is by header; None guesses it."""

    mapping: dict[str, str | None] | None = None
    key: ItemKey = ItemKey.AUTO
    stock: StockMode = StockMode.SET
    empty: Empty = Empty.KEEP
    create_locations: bool = True
    dry_run: bool = False
    partial: bool = False
    encoding: Encoding = Encoding.AUTO
    delimiter: str | None = None
    decimal: Literal[".", ","] | None = None
    import_key: str | None = None


class ImportField(Struct, kw_only=True):
    """A field that a column can be mapped to, and the headers that are guessed to hold it."""

    name: Annotated[str, Meta(examples=["min_quantity"])]
    about: About
    meaning: Annotated[str, Meta(examples=["From which quantity on it is low"])]
    example: Annotated[str, Meta(examples=["2"])]
    headers: list[str]


class StartedImport(Struct, kw_only=True):
    """An import that was taken; the file is read as `columns` says, which a dry run lets one look at first."""

    job_id: int
    status_url: Annotated[str, Meta(examples=["/api/v1/imports/7"])]
    events_url: Annotated[str, Meta(examples=["/api/v1/imports/7/events"])]
    encoding: str
    delimiter: str
    columns: Annotated[
        dict[str, str | None], Meta(description="By header: the field it holds; null is left alone", examples=[{}])
    ]


class LineReport(Struct, kw_only=True):
    """What a row comes to. `line` is where it begins in the file."""

    line: int
    outcome: Literal["created", "changed", "unchanged", "refused"]
    item: str
    column: str | None = None
    message: str


class Written(Struct, kw_only=True):
    """What an import wrote, as the ledger and the audit trail have it."""

    items_created: int = 0
    items_changed: int = 0
    locations_created: int = 0
    stock_events: int = 0


class TakenBack(Struct, kw_only=True):
    """What an import that broke off took back, and what it had to leave since it was changed meanwhile."""

    items: int = 0
    locations: int = 0
    stock_events: int = 0
    left: list[str] = []


class ImportReport(Struct, kw_only=True):
    """The result of an import's job. The counts are of rows; `applied` says whether anything was written."""

    import_id: str
    filename: str
    applied: bool
    dry_run: bool
    partial: bool
    message: str
    lines: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    already_imported: Annotated[int, Meta(description="Rows whose stock was booked by this import before")] = 0
    new_locations: list[str] = []
    new_types: list[str] = []
    errors: Annotated[list[LineReport], Meta(description="The first refused rows; refused.csv has all")] = []
    changes: Annotated[list[LineReport], Meta(description="The first that create or change; report.csv has all")] = []
    batch_id: str | None = None
    written: Written | None = None
    taken_back: TakenBack | None = None


class ImportOrder(Struct, frozen=True, kw_only=True):
    """What the job of an import is told; kept in the database until it has ended."""

    import_id: str
    filename: str
    user_id: int
    options: ImportOptions

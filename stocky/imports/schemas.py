"""Requests and responses of imports."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from stocky.imports.dates import DateOrder
from stocky.imports.fields import About
from stocky.schema import AnyCase


class ItemKey(AnyCase):
    """The column that identifies items; `auto` uses the first of the others that a row has."""

    AUTO = "auto"
    CODE = "code"
    BARCODE = "barcode"
    NAME = "name"
    MANUFACTURER_CODE = "manufacturer_code"


class StockMode(AnyCase):
    """The meaning of a quantity: the counted stock (`set`), or an addition to it (`add`)."""

    SET = "set"
    ADD = "add"


class Encoding(AnyCase):
    """The encoding of the file; `auto` is UTF-8 or UTF-16."""

    AUTO = "auto"
    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    CP1250 = "cp1250"
    CP1252 = "cp1252"
    SHIFT_JIS = "shift-jis"


class Empty(AnyCase):
    """The meaning of an empty cell: `keep` the current value, or `clear` it."""

    KEEP = "keep"
    CLEAR = "clear"


class Unmatched(AnyCase):
    """What is done with a row of a project whose part is no item: `refuse` it, `create` the item, or add the `text`."""

    REFUSE = "refuse"
    CREATE = "create"
    TEXT = "text"


class ImportOptions(Struct, frozen=True, kw_only=True):
    """The options of an import. `mapping` is by header; None derives it from the headers.

    With a project, which exists (`project_id`) or is new (`project` is its name), the rows are what it needs.
    """

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
    header_row: int | None = None
    dates: DateOrder | None = None
    location: str | None = None
    repair_barcodes: bool | None = None
    preset: str | None = None
    update_items: bool = True
    project_id: int | None = None
    project: str | None = None
    unmatched: Unmatched = Unmatched.REFUSE

    @property
    def fills_project(self) -> bool:
        return self.project_id is not None or self.project is not None


class SurveyResult(Struct, frozen=True, kw_only=True):
    """What the survey of a file found, for the passes of its job."""

    dates: DateOrder | None = None
    # Whether numbers without their leading zero get it.
    adds_zeros: bool = False
    # Whether a quantity has a comma that is surely decimal, so that a point may separate thousands.
    has_decimal_commas: bool = False


class ImportField(Struct, kw_only=True):
    """A field that a column can be mapped to, and the headers recognised for it."""

    name: Annotated[str, Meta(examples=["min_quantity"])]
    about: About
    meaning: Annotated[str, Meta(examples=["The quantity at or below which stock is low"])]
    example: Annotated[str, Meta(examples=["2"])]
    headers: list[str]


class ImportPreset(Struct, kw_only=True):
    """A kind of file of another program or a seller that is read as it is. `columns` are the headers of each field."""

    name: Annotated[str, Meta(examples=["homebox"])]
    title: Annotated[str, Meta(examples=["Homebox"])]
    about: Literal["inventory", "order", "parts"]
    columns: Annotated[dict[str, list[str]], Meta(examples=[{"name": ["HB.name"]}])]
    options: Annotated[dict[str, str], Meta(description="Options that it sets, unless they are sent", examples=[{}])]


class StartedImport(Struct, kw_only=True):
    """An accepted import. `columns` is the mapping in use; a dry run shows it before anything is written."""

    job_id: int
    status_url: Annotated[str, Meta(examples=["/api/v1/imports/7"])]
    events_url: Annotated[str, Meta(examples=["/api/v1/imports/7/events"])]
    encoding: str
    delimiter: str
    header_row: Annotated[int, Meta(description="The line that names the columns")]
    preset: Annotated[str | None, Meta(description="The preset in use", examples=["homebox"])]
    columns: Annotated[
        dict[str, str | None], Meta(description="The field of each header; null is ignored", examples=[{}])
    ]


class LineReport(Struct, kw_only=True):
    """The outcome of a row. `line` is its first line in the file. A row that was `skipped` is about no item."""

    line: int
    outcome: Literal["created", "changed", "unchanged", "refused", "skipped"]
    item: str
    column: str | None = None
    message: str


class Written(Struct, kw_only=True):
    """What an import wrote, counted from the ledger and the audit trail."""

    items_created: int = 0
    items_changed: int = 0
    locations_created: int = 0
    stock_events: int = 0


class TakenBack(Struct, kw_only=True):
    """What the rollback of a failed import restored. `left` lists what was changed meanwhile and stays."""

    items: int = 0
    locations: int = 0
    stock_events: int = 0
    left: list[str] = []


class ImportReport(Struct, kw_only=True):
    """The result of an import's job. The counts are of rows; `applied` is whether anything was written."""

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
    skipped: Annotated[int, Meta(description="Rows about no item, such as totals, which are not among the lines")] = 0
    repaired: Annotated[int, Meta(description="Rows with a barcode that a spreadsheet had changed")] = 0
    already_imported: Annotated[int, Meta(description="Rows whose stock an earlier run of this import booked")] = 0
    new_locations: list[str] = []
    new_types: list[str] = []
    errors: Annotated[list[LineReport], Meta(description="The first refused rows; refused.csv has all")] = []
    changes: Annotated[
        list[LineReport], Meta(description="The first rows that create or change; report.csv has all")
    ] = []
    batch_id: str | None = None
    project_id: Annotated[int | None, Meta(description="The project whose needs the rows are")] = None
    written: Written | None = None
    taken_back: TakenBack | None = None


class ImportOrder(Struct, frozen=True, kw_only=True):
    """The parameters of an import's job, stored in the database until it has ended."""

    import_id: str
    filename: str
    user_id: int
    options: ImportOptions
    reading: SurveyResult = SurveyResult()

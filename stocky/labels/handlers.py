"""`/labels`: sheets of labels as SVG and PDF, and the sheets that the installation keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from litestar import Response, delete, get, put
from litestar.params import Parameter, QueryParameter

from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.catalogue import location_repository as locations
from stocky.catalogue import repository as catalogue
from stocky.db import Connection, Database, Lane
from stocky.errors import Invalid, NotFound
from stocky.http.openapi import always_found, may_be_missing, produces
from stocky.http.routing import Router
from stocky.labels import layout, repository
from stocky.labels.drawing import FileFormat
from stocky.labels.layout import MOST_LABELS, Label
from stocky.labels.responses import file_response
from stocky.labels.schemas import NamedSheet, NewSheet
from stocky.schema import MAX_ID

Format = Annotated[FileFormat, QueryParameter(name="format", description="All sheets as PDF, or one of them as SVG")]
Ids = Annotated[
    str,
    Parameter(max_length=20_000, description="Ids with commas between them, in the order of the labels"),
]
SheetParameter = Annotated[
    str,
    Parameter(max_length=60, description="The name of a sheet that `/labels/sheets` lists"),
]
SheetPath = Annotated[str, Parameter(min_length=1, max_length=60, pattern=r"^\S(.*\S)?$", description="Its name")]
Copies = Annotated[int, Parameter(ge=1, le=50, description="How many labels of each")]
Used = Annotated[int, Parameter(ge=0, le=2_500, description="Labels of the first sheet that are used already")]
PageNumber = Annotated[int, Parameter(ge=1, le=MOST_LABELS, description="Which sheet, for SVG")]
_LONGEST_ID = len(str(MAX_ID))


@get(
    "/",
    opt=members | produces("application/pdf", "image/svg+xml"),
    media_type="application/pdf",
    responses=may_be_missing,
)
async def draw_labels(
    database: Database,
    lane: Lane,
    file: Format = "pdf",
    items: Ids = "",
    locations: Annotated[
        str, Parameter(max_length=20_000, description="Ids like those of `items`, or `all`", required=False)
    ] = "",
    commands: bool = False,
    counts: bool = False,
    barcode: bool = False,
    copies: Copies = 1,
    sheet: SheetParameter = "a4-3x8",
    used: Used = 0,
    page: PageNumber = 1,
) -> Response[bytes]:
    """Sheets of labels to print: of items (`barcode`: with their own barcodes), locations, and commands of scanners.

    `commands` are the modes, no location and undo; `counts` set what the next scan counts. X-Total-Count is the number
    of sheets.
    """
    # Drawing may take seconds, in which the connection is for others.
    async with database.read(lane, may_use_replica=True) as read:
        paper = await repository.find_sheet(read, sheet)
        if paper is None:
            raise NotFound(f"There is no sheet {sheet}; GET /api/v1/labels/sheets lists them")
        chosen = [
            *await _item_labels(read, items, with_barcode=barcode),
            *await _location_labels(read, locations),
            *(layout.command_labels() if commands else ()),
            *(layout.count_labels() if counts else ()),
        ]
    if not chosen:
        raise Invalid("Choose what to print: items, locations, commands or counts", field="items")
    wanted = [label for label in chosen for _ in range(copies)]
    return await file_response(wanted, paper, file, used=used, page=page)


@get("/sheets", opt=readers)
async def list_sheets(read: Connection) -> list[NamedSheet]:
    """The sheets to print on: Stocky's own, and those that were kept."""
    return await repository.list_sheets(read)


@put("/sheets/{name:str}", opt=members | always_found)
async def keep_sheet(data: NewSheet, tx: Connection, user: Principal, name: SheetPath) -> NamedSheet:
    """Keep a sheet under this name, for everyone."""
    return await repository.keep_sheet(tx, name, data, user)


@delete("/sheets/{name:str}", opt=members)
async def remove_sheet(tx: Connection, user: Principal, name: SheetPath) -> None:
    """Remove a sheet that was kept."""
    await repository.remove_sheet(tx, name, user)


async def _item_labels(read: Connection, text: str, *, with_barcode: bool) -> list[Label]:
    ids = _ids_of(text, "items")
    found = await catalogue.get_items(read, set(ids))
    _check_all(ids, found.__contains__, "item")
    return [layout.item_label(found[id], with_barcode=with_barcode) for id in ids]


async def _location_labels(read: Connection, text: str) -> list[Label]:
    if text.strip().lower() == "all":
        # One more than are printed at once, so that a larger number is refused.
        every = await locations.list_locations(read, skip=0, limit=MOST_LABELS + 1)
        return [layout.location_label(each) for each in every]
    ids = _ids_of(text, "locations")
    found = await locations.get_locations(read, set(ids)) if ids else {}
    _check_all(ids, found.__contains__, "location")
    return [layout.location_label(found[id]) for id in ids]


def _ids_of(text: str, field: str) -> list[int]:
    """The ids in a text like `3,1`, each once. Raises Invalid."""
    ids = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        # The length comes first, since int() rejects text of thousands of digits.
        if len(each) > _LONGEST_ID or not each.isascii() or not each.isdigit() or not 1 <= int(each) <= MAX_ID:
            raise Invalid(f"{field}: {each[:20]!r} is not an id; send ids as in 3,1", field=field)
        ids.append(int(each))
    if len(ids) > MOST_LABELS:
        raise Invalid(f"{field}: at most {MOST_LABELS:,} labels are printed at once", field=field)
    return list(dict.fromkeys(ids))


def _check_all(ids: list[int], is_known: Callable[[int], bool], name: str) -> None:
    missing = next((id for id in ids if not is_known(id)), None)
    if missing is not None:
        raise NotFound(f"There is no {name} with id {missing}")


label_routes = Router("/labels", route_handlers=[draw_labels, list_sheets, keep_sheet, remove_sheet], tags=["Labels"])

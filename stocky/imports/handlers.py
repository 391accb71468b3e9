"""`/imports`: items and stock from CSV files. Each import is a job with progress and a report on every row."""

from __future__ import annotations

from litestar import get, post
from litestar.datastructures import State
from litestar.response import Stream

from stocky.auth.guards import authorize, members
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.files import file_answer
from stocky.http.openapi import problem
from stocky.http.parameters import Paging, PathId
from stocky.http.request import StockyRequest
from stocky.http.routing import Router
from stocky.http.sse import EVENT_STREAM, TOO_MANY_STREAMS, event_stream
from stocky.imports.fields import list_all_fields
from stocky.imports.files import REFUSED, REPORT
from stocky.imports.presets import PRESETS
from stocky.imports.schemas import ImportField, ImportPreset, StartedImport
from stocky.imports.service import Imports
from stocky.jobs.events import follow_job
from stocky.jobs.schemas import Job

_FORM = {
    "file": "The table: CSV with a header, up to 100 MB and 200,000 rows",
    "mapping": "A JSON object of headers and fields (see `/imports/fields`); without it, fields follow from headers",
    "dry_run": "`true`: report what would happen, write nothing",
    "partial": "`true`: import the valid rows; otherwise one refused row refuses the whole file",
    "key": "The column that identifies items: `code`, `barcode`, `name`, `manufacturer_code`, or `auto` (the first of"
    " them that a row has)",
    "stock": "The meaning of quantities: `set` (the counted stock) or `add` (added to the stock)",
    "empty": "The meaning of an empty cell of an item: `keep` the current value, or `clear` it",
    "create_locations": "`false`: refuse a row with an unknown location",
    "encoding": "`auto` (UTF-8 or UTF-16), `utf-8`, `utf-16`, `cp1250`, `cp1252` or `shift-jis`",
    "delimiter": "`auto`, `comma`, `semicolon`, `tab` or `pipe`",
    "location": "The location of all rows that name none",
    "dates": "The order of dates: `dmy`, `mdy`, `ymd`, or `auto` if the file makes it clear; ISO dates are always read",
    "repair_barcodes": "`false`: keep barcodes that a spreadsheet may have changed; `true`: add leading zeros wherever"
    " the check digit confirms it; `auto`: unless the file has other numbers of that length",
    "preset": "The program or seller whose file it is (see `/imports/presets`), `none`, or `auto`: a file like one of"
    " theirs is a question",
    "update_items": "`false`: leave items that exist as they are, except for their stock and a further barcode",
    "header_row": "The line that names the columns; without it, the header is found below other text",
    "decimal": "`auto`, `point` or `comma`; `auto` refuses ambiguous numbers",
    "project_id": "The project that needs what the rows are about: `quantity` is what it needs of each",
    "project": "The name of a new project that needs it",
    "unmatched": "What becomes of a row of a project that no item matches: `refuse` it, `create` the item, or add its"
    " name as `text`",
    "import_key": "An idempotency key: stock is booked once per key, or once per file without a key",
}


@post(
    "/",
    opt=members | {"form": _FORM},
    status_code=202,
    request_max_body_size=None,
    responses={413: problem("The table has more than 100 MB; import it in parts")},
)
async def start_import(request: StockyRequest, imports: Imports, user: Principal) -> StartedImport:
    """Import a table of items and stock as a job. The job's result is a report."""
    return await imports.start(request, user)


@get("/", opt=members)
async def list_imports(read: Connection, imports: Imports, user: Principal, paging: Paging) -> list[Job]:
    """List your imports as jobs, newest first; admins see all."""
    return await imports.list_imports(read, user, skip=paging.skip, limit=paging.limit, listing=paging)


@get("/fields", opt=members)
async def list_import_fields(read: Connection) -> list[ImportField]:
    """List the fields that a column can hold, and the headers recognised for each; custom fields come last."""
    return [
        ImportField(
            name=field.name,
            about=field.about,
            meaning=field.meaning,
            example=field.example,
            headers=[field.name, *field.headers],
        )
        for field in await list_all_fields(read)
    ]


@get("/presets", opt=members)
async def list_import_presets() -> list[ImportPreset]:
    """List the programs and sellers whose files are read as they are, and the columns that each field is read from."""
    return [
        ImportPreset(
            name=preset.name,
            title=preset.title,
            about=preset.about,
            columns={take.field: list(take.headers) for take in preset.takes},
            options=dict(preset.options),
        )
        for preset in PRESETS
    ]


@get("/{job_id:int}", opt=members)
async def get_import(imports: Imports, user: Principal, job_id: PathId) -> Job:
    """Get an import: its progress, and its result when it has ended."""
    return await imports.get_import(job_id, user)


@get("/{job_id:int}/events", opt=members, media_type=EVENT_STREAM, responses={429: problem(TOO_MANY_STREAMS)})
async def stream_import(request: StockyRequest, state: State, imports: Imports, job_id: PathId) -> Stream:
    """Stream an import as server-sent events until it ends."""
    job = await imports.get_import(job_id, request.user)
    state.streams.admit(request.user.id)

    async def admit() -> None:
        await authorize(request)
        await imports.get_import(job_id, request.user)

    return event_stream(follow_job(state.jobs, state.streams, job, admit))


@get("/{job_id:int}/report.csv", opt=members, media_type="text/csv")
async def download_report(request: StockyRequest, imports: Imports, user: Principal, job_id: PathId) -> Stream:
    """Download the outcome of every row. Available for a week."""
    return await _file(request, imports, user, job_id, REPORT)


@get("/{job_id:int}/refused.csv", opt=members, media_type="text/csv")
async def download_refused(request: StockyRequest, imports: Imports, user: Principal, job_id: PathId) -> Stream:
    """Download the refused rows with the reasons, to correct and import again. Available for a week."""
    return await _file(request, imports, user, job_id, REFUSED)


async def _file(request: StockyRequest, imports: Imports, user: Principal, job_id: int, name: str) -> Stream:
    file = await imports.find_file(job_id, name, user)
    filename = f"stocky_import_{job_id}_{name}"
    return await file_answer(request, file, filename=filename, media_type="text/csv; charset=utf-8", etag=None)


import_routes = Router(
    "/imports",
    route_handlers=[
        start_import,
        list_imports,
        list_import_fields,
        list_import_presets,
        get_import,
        stream_import,
        download_report,
        download_refused,
    ],
    tags=["Imports"],
)

"""`/imports`: items and stock from CSV files, each import a job with its progress and what it tells of every row."""

from __future__ import annotations

from litestar import Router, get, post
from litestar.datastructures import State
from litestar.response import Stream

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.files import file_answer
from stocky.http.openapi import problem
from stocky.http.parameters import Paging, PathId
from stocky.http.request import StockyRequest
from stocky.http.sse import EVENT_STREAM, TOO_MANY_STREAMS, event_stream
from stocky.imports.fields import FIELDS
from stocky.imports.files import REFUSED, REPORT
from stocky.imports.schemas import ImportField, StartedImport
from stocky.imports.service import Imports
from stocky.jobs.events import follow_job
from stocky.jobs.schemas import Job

_FORM = {
    "file": "The table: CSV with a header, up to 100 MB and 200,000 rows",
    "mapping": "A JSON object of headers and fields (see `/imports/fields`); without it the headers are guessed",
    "dry_run": "`true`: only say what would happen",
    "partial": "`true`: import the sound rows; otherwise a refused row refuses all",
    "key": "By what items are found: `code`, `barcode`, `name`, or `auto`, the first of them that a row has",
    "stock": "What a quantity is: `set`, what was counted, or `add`, what comes to it",
    "empty": "What an empty cell says of an item: `keep` nothing, or `clear` that there is nothing",
    "create_locations": "`false`: a row with a location that is not there is refused",
    "encoding": "`auto`, `utf-8`, `utf-16` or `cp1252`",
    "delimiter": "`auto`, `comma`, `semicolon`, `tab` or `pipe`",
    "decimal": "`auto`, `point` or `comma`; `auto` refuses numbers that may be read in two ways",
    "import_key": "A name for this import. Its stock is booked once under a name; without one, once for this file",
}


@post(
    "/",
    opt=members | {"form": _FORM},
    status_code=202,
    request_max_body_size=None,
    responses={413: problem("The table has more than 100 MB; import it in parts")},
)
async def start_import(request: StockyRequest, imports: Imports, user: Principal) -> StartedImport:
    """Begin to import a table of items and stock. The job's result is a report."""
    return await imports.start(request, user)


@get("/", opt=members)
async def list_imports(read: Connection, imports: Imports, user: Principal, paging: Paging) -> list[Job]:
    """One's own imports as jobs, newest first; admins see all."""
    return await imports.list_imports(read, user, skip=paging.skip, limit=paging.limit)


@get("/fields", opt=members)
async def list_import_fields() -> list[ImportField]:
    """What a column can hold, and the headers that are guessed."""
    return [
        ImportField(
            name=field.name,
            about=field.about,
            meaning=field.meaning,
            example=field.example,
            headers=[field.name, *field.headers],
        )
        for field in FIELDS
    ]


@get("/{job_id:int}", opt=members)
async def get_import(imports: Imports, user: Principal, job_id: PathId) -> Job:
    """How far an import is, and at its end what came of it."""
    return await imports.get_import(job_id, user)


@get("/{job_id:int}/events", opt=members, media_type=EVENT_STREAM, responses={429: problem(TOO_MANY_STREAMS)})
async def stream_import(state: State, imports: Imports, user: Principal, job_id: PathId) -> Stream:
    """The same as server-sent events; the stream ends with the import."""
    job = await imports.get_import(job_id, user)
    state.streams.admit(user.id)
    return event_stream(follow_job(state.jobs, state.streams, job))


@get("/{job_id:int}/report.csv", opt=members, media_type="text/csv")
async def download_report(request: StockyRequest, imports: Imports, user: Principal, job_id: PathId) -> Stream:
    """What every row comes to, in words. Kept for a week."""
    return await _file(request, imports, user, job_id, REPORT)


@get("/{job_id:int}/refused.csv", opt=members, media_type="text/csv")
async def download_refused(request: StockyRequest, imports: Imports, user: Principal, job_id: PathId) -> Stream:
    """The refused rows as they were, with what is wrong, to be mended and imported. Kept for a week."""
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
        get_import,
        stream_import,
        download_report,
        download_refused,
    ],
    tags=["Imports"],
)

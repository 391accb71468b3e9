"""Importing a table: choose a file, assign its columns, try it row by row, import it, undo it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.datastructures import State
from litestar.params import Parameter
from msgspec import convert, structs

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection, Listing
from stocky.errors import Invalid, NotFound, StockyError
from stocky.http.parameters import PathId, Skip
from stocky.imports import drafts
from stocky.imports.fields import FIELDS, is_custom
from stocky.imports.files import REPORT, read_report
from stocky.imports.options import options_of
from stocky.imports.presets import NONE
from stocky.imports.questions import QuestionAsked
from stocky.imports.schemas import ImportOptions, ImportReport
from stocky.imports.service import MAX_BYTES, WANTED, Imports
from stocky.jobs.schemas import JobStatus
from stocky.pages.forms import Form, read_values
from stocky.pages.import_forms import (
    ENCODINGS,
    FIELD_WORDS,
    add_questions,
    column_questions,
    columns_to_mapping,
    require_answers,
    shown_options,
)
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.views.activity import OptionalId
from stocky.projects.repository import get_project_row, list_projects
from stocky.schema import MAX_ID
from stocky.stock import service
from stocky.stock.recorder import Recorder

ROWS = 50
_RECENT = 10
_MOST_PROJECTS = 100
_OUTCOMES = ("refused", "created", "changed", "unchanged", "skipped")


@get("/import", opt=members)
async def show_imports(
    request: Request[Any, Any, Any],
    read: Connection,
    imports: Imports,
    user: Principal,
    project_id: OptionalId = None,
) -> Html:
    """The form for a file, and the last imports; with a project, of a file of what it needs."""
    return page(
        request,
        "import.html",
        form=Form(),
        jobs=await imports.list_imports(read, user, skip=0, limit=_RECENT),
        is_gone="gone" in request.query_params,
        fields=FIELDS,
        project=None if project_id is None else await get_project_row(read, project_id),
    )


@post("/import", opt=members, request_max_body_size=None)
async def upload_table(
    request: Request[Any, Any, Any], state: State, imports: Imports, user: Principal, project_id: OptionalId = None
) -> Html:
    """Stores the file for a day."""
    form: Form[Any] = Form()
    try:
        draft = await drafts.receive_draft(imports.store, request, user, MAX_BYTES, WANTED)
    except StockyError as error:
        if request.headers.get("x-requested-with"):
            raise
        form.refuse(error)
        async with state.database.read() as read:
            jobs = await imports.list_imports(read, user, skip=0, limit=_RECENT)
            project = None if project_id is None else await get_project_row(read, project_id)
        return page(
            request,
            "import.html",
            form.status,
            form=form,
            jobs=jobs,
            is_gone=False,
            fields=FIELDS,
            project=project,
        )
    return see_other(request, f"/import/files/{draft.id}", project_id=project_id)


@get("/import/files/{draft_id:str}", opt=members)
async def show_columns(
    request: Request[Any, Any, Any],
    state: State,
    imports: Imports,
    user: Principal,
    draft_id: str,
    tried: Annotated[int | None, Parameter(ge=1, le=MAX_ID, required=False)] = None,
    preset: Annotated[str | None, Parameter(max_length=20, required=False)] = None,
    project_id: OptionalId = None,
) -> Html:
    """The columns of a file with the field of each; `tried` is a dry run whose choices are shown again.

    `preset` is the kind of file, or `none`; without it, it is what the file looks like. `project_id` is the project
    that needs what is in it.
    """
    try:
        draft = await asyncio.to_thread(drafts.get_draft, imports.store, draft_id, user)
    except NotFound:
        return see_other(request, "/import", gone=1)
    options = ImportOptions(encoding=draft.encoding)
    origin = None if tried is None else await _origin(imports, tried, user)
    if origin is not None and origin.draft.id == draft.id:
        options = origin.options
    else:
        if preset is None:
            table = await asyncio.to_thread(drafts.read_table, imports.store, draft, options)
            preset = NONE if table.looks_like is None else table.looks_like.name
        options = options_of({"preset": preset, "encoding": draft.encoding.value})
        options = structs.replace(options, project_id=project_id)
    return await _columns_page(request, state, imports, draft, options, Form())


@post("/import/files/{draft_id:str}", opt=members)
async def try_columns(
    request: Request[Any, Any, Any], state: State, imports: Imports, user: Principal, draft_id: str
) -> Html:
    """Starts a dry run with the assigned columns."""
    draft = await asyncio.to_thread(drafts.get_draft, imports.store, draft_id, user)
    form: Form[Any] = Form(await read_values(request))
    options = ImportOptions(encoding=draft.encoding)
    with form.catching():
        options = options_of(shown_options(form))
        table = await asyncio.to_thread(drafts.read_table, imports.store, draft, options)
        require_answers(form, table)
    if not form.errors:
        with form.catching():
            chosen = {**shown_options(form), "dry_run": "true"}
            if table.preset is None:
                chosen["mapping"] = columns_to_mapping(form, table)
            options = options_of(chosen)
            try:
                started = await imports.start_stored(draft, options, user)
            except QuestionAsked as asked:
                add_questions(form, asked)
    if form.errors:
        return await _columns_page(request, state, imports, draft, options, form)
    return see_other(request, f"/import/{started.job_id}")


@get("/import/{import_job_id:int}", opt=members | {"may_be_empty": ("outcome",)})
async def show_import(
    request: Request[Any, Any, Any],
    imports: Imports,
    user: Principal,
    import_job_id: PathId,
    outcome: Annotated[str | None, Parameter(max_length=20, required=False)] = None,
    skip: Skip = 0,
) -> Html:
    """A dry run or an import: its progress, then its result row by row."""
    job = await imports.get_import(import_job_id, user)
    if outcome is not None and outcome not in _OUTCOMES:
        raise Invalid(f"{outcome!r} is not one of {', '.join(_OUTCOMES)}", field="outcome")
    report, rows, origin = None, [], None
    if job.status is JobStatus.DONE:
        # The report of an older version lacks fields that were added since.
        report = convert(job.result, ImportReport)
        if outcome is None and report.refused and "all" not in request.query_params:
            # Rows with errors come first.
            outcome = "refused"
        file = imports.store.directory_of(report.import_id) / REPORT
        rows = await asyncio.to_thread(read_report, file, outcome, skip, ROWS + 1) if file.exists() else []
        origin = await asyncio.to_thread(drafts.find_origin, imports.store, report.import_id, user)
    return page(
        request,
        "import-job.html",
        job=job,
        report=report,
        rows=rows[:ROWS],
        more=len(rows) > ROWS,
        outcome=outcome,
        skip=skip,
        size=ROWS,
        origin=origin,
        is_undone="undone" in request.query_params,
    )


@post("/import/{import_job_id:int}/go", opt=members)
async def go(request: Request[Any, Any, Any], imports: Imports, user: Principal, import_job_id: PathId) -> Html:
    """Imports the file of a dry run with the same choices, or tries it again with the barcodes as they are written."""
    values = await read_values(request)
    origin = await _origin(imports, import_job_id, user)
    if origin is None:
        return see_other(request, "/import", gone=1)
    if values.get("as_written", [""])[-1] == "true":
        options = structs.replace(origin.options, repair_barcodes=False, dry_run=True)
    else:
        options = drafts.for_real(origin.options, partial=values.get("partial", [""])[-1] == "true")
    started = await imports.start_stored(origin.draft, options, user)
    return see_other(request, f"/import/{started.job_id}")


@post("/import/{import_job_id:int}/undo", opt=members)
async def undo(
    request: Request[Any, Any, Any], imports: Imports, recorder: Recorder, user: Principal, import_job_id: PathId
) -> Html:
    """Undoes the stock that an import booked; its items stay."""
    job = await imports.get_import(import_job_id, user)
    batch_id = job.result.get("batch_id") if isinstance(job.result, dict) else None
    if not batch_id:
        raise Invalid("This import has booked no stock")
    await service.undo(recorder, None, user, batch=batch_id)
    return see_other(request, f"/import/{import_job_id}", undone=1)


async def _origin(imports: Imports, job_id: int, user: Principal) -> drafts.Origin | None:
    job = await imports.get_import(job_id, user)
    if not isinstance(job.result, dict):
        return None
    return await asyncio.to_thread(drafts.find_origin, imports.store, job.result["import_id"], user)


async def _columns_page(
    request: Request[Any, Any, Any],
    state: State,
    imports: Imports,
    draft: drafts.Draft,
    options: ImportOptions,
    form: Form[Any],
) -> Html:
    try:
        table = await asyncio.to_thread(drafts.read_table, imports.store, draft, options)
    except Invalid as error:
        # The file cannot be read with these choices: show what can be read, the choices and the error.
        form.refuse(error)
        options = ImportOptions(encoding=draft.encoding)
        table = await asyncio.to_thread(drafts.read_table, imports.store, draft, options)
    is_of_parts = table.preset is not None and table.preset.about == "parts"
    is_of_project = options.fills_project or is_of_parts or "project_id" in form.values
    projects = []
    if is_of_project:
        async with state.database.read() as read:
            projects = await _list_open_projects(read, options.project_id)
    return page(
        request,
        "import-columns.html",
        form.status,
        form=form,
        draft=draft,
        table=table,
        options=options,
        fields=FIELDS,
        field_words=FIELD_WORDS,
        custom=[(each.guess, each.header) for each in table.columns if each.guess and is_custom(each.guess)],
        questions=column_questions(table),
        encoding_names=ENCODINGS,
        encodings=[(each, ENCODINGS[each], sample) for each, sample in draft.texts],
        is_of_project=is_of_project,
        projects=projects,
    )


async def _list_open_projects(read: Connection, chosen_id: int | None) -> list[tuple[int, str]]:
    """The ids and names of the newest projects that are not withdrawn, and of the chosen one. Raises NotFound."""
    newest = await list_projects(read, skip=0, limit=_MOST_PROJECTS, listing=Listing(order="-id"))
    found = {each.id: each.name for each in newest if not each.is_withdrawn}
    if chosen_id is not None:
        found.setdefault(chosen_id, (await get_project_row(read, chosen_id)).name)
    return list(found.items())


routes = [show_imports, upload_table, show_columns, try_columns, show_import, go, undo]

"""The first start: the first admin by a one-time code, then demo data or a clean start, until there is an admin."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import admins
from stocky.auth.schemas import NewUser, Principal, Role
from stocky.auth.service import SignIns
from stocky.db import Database
from stocky.errors import Conflict, Forbidden, Throttled
from stocky.http.client_address import client_info, comes_from_elsewhere
from stocky.jobs.jobs import Jobs
from stocky.jobs.repository import list_jobs
from stocky.jobs.schemas import Job
from stocky.pages.forms import Form, read_form
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.views.sign_in import MAX_BODY_BYTES, with_session
from stocky.progress import ProgressCallback

DEMO_JOB = "demo.fill"
_ITEMS, _EVENTS = 320, 4_000


class FirstAdmin(NewUser, kw_only=True):
    """The form of the first admin."""

    code: str


@get("/first-start")
async def show_first_start(request: Request[Any, Any, Any], state: State) -> Html:
    """The form for the first admin."""
    if not await state.first_start.is_due():
        return see_other(request, "/")
    await state.first_start.offer(state.config.base_path)
    return page(request, "first-start.html", form=Form())


@post("/first-start", request_max_body_size=MAX_BODY_BYTES)
async def add_first_admin(request: Request[Any, Any, Any], state: State) -> Html:
    """Makes the first admin and signs it in."""
    if comes_from_elsewhere(request):
        raise Forbidden("Access denied. The form was sent by a page of another site")
    if not await state.first_start.is_due():
        raise Conflict("There is an admin already; sign in")
    form = await read_form(request, FirstAdmin, without=["role", "is_active"])
    if not form.errors:
        given = form.data
        new = NewUser(username=given.username, email=given.email, password=given.password, role=Role.ADMIN)
        address = client_info(request, state.config).address
        try:
            with form.catching():
                user, password_hash = await state.first_start.add_admin(given.code, new, address)
        except Throttled as error:
            form.refuse(error)
    if form.errors:
        return page(request, "first-start.html", form.status, form=form)
    sign_ins = SignIns(state.database, state.config, state.identities)
    session = await sign_ins.open_for(user, password_hash, is_remembered=True)
    return with_session(request, session, "/first-start/data")


@get("/first-start/data", opt=admins)
async def show_data(request: Request[Any, Any, Any], state: State, database: Database) -> Html:
    """Demo data or a clean start; with items, what to do next."""
    job = await _last(state.jobs, database)
    if job is not None and not job.status.is_final:
        return page(request, "first-start-data.html", job=job, is_empty=False, failed=None)
    failed = None if job is None else job.error
    return page(request, "first-start-data.html", job=None, is_empty=not await _holds_items(database), failed=failed)


@post("/first-start/data", opt=admins)
async def add_demo_data(request: Request[Any, Any, Any], state: State, database: Database, user: Principal) -> Html:
    """Starts to fill the empty database with demo data."""
    job = await _last(state.jobs, database)
    if await _holds_items(database) or (job is not None and not job.status.is_final):
        raise Conflict("Demo data is only for a database without items")

    async def work(report: ProgressCallback) -> dict[str, int]:
        from stocky.demo_data import fill

        report("items", 0, _EVENTS, "events")

        def progress(recorded: int) -> None:
            report("events", recorded, _EVENTS, "events")

        await fill(database, items=_ITEMS, events=_EVENTS, seed=1, introduce=lambda demo: None, progress=progress)
        return {"items": _ITEMS, "events": _EVENTS}

    await state.jobs.run_here(DEMO_JOB, work, by=user.user.username)
    return see_other(request, "/first-start/data")


async def _holds_items(database: Database) -> bool:
    # Imported here: only a new Stocky needs the demo data in memory.
    from stocky.demo_data import holds_items

    return await holds_items(database)


async def _last(jobs: Jobs, database: Database) -> Job | None:
    """The newest job that fills the database."""
    async with database.read() as read:
        found = await list_jobs(read, skip=0, limit=1, kind=DEMO_JOB)
    return await jobs.look(found[0].id) if found else None


routes = [show_first_start, add_first_admin, show_data, add_demo_data]

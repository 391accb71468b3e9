"""Reorganisation: proposals as walk lists, made by a job; each is applied at most once, and undone as a whole."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.errors import Conflict, NotFound
from stocky.http.parameters import PathId
from stocky.jobs.jobs import Jobs
from stocky.jobs.schemas import Job
from stocky.pages.forms import Form, filled, read_form
from stocky.pages.languages import Text, _
from stocky.pages.rendering import Html, page, see_other
from stocky.reorganisation import repository
from stocky.reorganisation.schemas import NewPlan, PlannedMove, PlanStatus
from stocky.reorganisation.service import Reorganisation
from stocky.stock import service as stock
from stocky.stock.recorder import Recorder

# At most this many plans are listed.
MOST_PLANS = 20
# The seconds after which a browser without script reloads the progress.
_LOOK_SECONDS = "2"
_DONE: dict[str, Text] = {
    "applied": _("All moves are booked. Now carry the things."),
    "undone": _("All moves are undone."),
    "discarded": _("The proposal is discarded."),
}


@get("/plan", opt=members)
async def show_plans(request: Request[Any, Any, Any], state: State) -> Html:
    """Earlier proposals, and the form of a new one."""
    return await _page(request, state, filled(NewPlan(max_moves=100)))


@post("/plan", opt=members)
async def start_plan(
    request: Request[Any, Any, Any], state: State, reorganisation: Reorganisation, user: Principal
) -> Html:
    """Starts making a proposal."""
    form = await read_form(request, NewPlan)
    if not form.errors:
        with form.catching():
            started = await reorganisation.start_plan(form.data, user)
    if form.errors:
        return await _page(request, state, form)
    return see_other(request, f"/plan/{started.plan_id}", job=started.job_id)


@get("/plan/{plan_id:int}", opt=members)
async def show_plan(request: Request[Any, Any, Any], state: State, plan_id: PathId) -> Html:
    """A proposal as a walk list; while it is made, its progress."""
    return await _plan_page(request, state, plan_id, Form())


@post("/plan/{plan_id:int}/apply", opt=members)
async def apply_plan(
    request: Request[Any, Any, Any], state: State, reorganisation: Reorganisation, user: Principal, plan_id: PathId
) -> Html:
    """Books all moves at once."""
    form: Form[Any] = Form()
    try:
        await reorganisation.apply_plan(plan_id, user)
    except Conflict as conflict:
        if request.headers.get("x-requested-with"):
            raise
        form.refuse(conflict)
        return await _plan_page(request, state, plan_id, form)
    return see_other(request, f"/plan/{plan_id}", done="applied")


@post("/plan/{plan_id:int}/undo", opt=members)
async def undo_plan(
    request: Request[Any, Any, Any], state: State, recorder: Recorder, user: Principal, plan_id: PathId
) -> Html:
    """Undoes the moves of an applied proposal."""
    async with state.database.read() as read:
        plan = await repository.get_plan(read, plan_id)
    if plan.batch_id is None:
        raise Conflict(f"Plan {plan_id} was not applied")
    await stock.undo(recorder, None, user, batch=plan.batch_id)
    return see_other(request, f"/plan/{plan_id}", done="undone")


@post("/plan/{plan_id:int}/discard", opt=members)
async def discard_plan(request: Request[Any, Any, Any], tx: Connection, user: Principal, plan_id: PathId) -> Html:
    """Discards a proposal."""
    await repository.discard_plan(tx, plan_id, user)
    return see_other(request, "/plan", done="discarded")


async def _page(request: Request[Any, Any, Any], state: State, form: Form[Any]) -> Html:
    async with state.database.read() as read:
        plans = await repository.list_plans(read, skip=0, limit=MOST_PLANS)
    return page(request, "plans.html", form.status, plans=plans, form=form, done=_done(request))


async def _plan_page(request: Request[Any, Any, Any], state: State, plan_id: int, form: Form[Any]) -> Html:
    async with state.database.read() as read:
        plan = await repository.get_plan(read, plan_id)
    is_open = plan.status in (PlanStatus.COMPUTING, PlanStatus.FAILED)
    headers = {"Refresh": _LOOK_SECONDS} if plan.status is PlanStatus.COMPUTING else {}
    return page(
        request,
        "plan.html",
        form.status,
        headers=headers,
        plan=plan,
        stops=_stops(plan.moves),
        job=await _find_job(request, state) if is_open else None,
        form=form,
        done=_done(request),
    )


async def _find_job(request: Request[Any, Any, Any], state: State) -> Job | None:
    """The job that makes the plan, which the address names."""
    text = request.query_params.get("job", "")
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        return None
    jobs: Jobs = state.jobs
    try:
        job = await jobs.look(int(text))
    except NotFound:
        return None
    return job if job.kind == repository.KIND else None


def _stops(moves: list[PlannedMove]) -> list[list[PlannedMove]]:
    """The moves in their order, together as long as one takes from the same location."""
    stops: list[list[PlannedMove]] = []
    for move in moves:
        if not stops or stops[-1][0].from_location.id != move.from_location.id:
            stops.append([])
        stops[-1].append(move)
    return stops


def _done(request: Request[Any, Any, Any]) -> Text | None:
    return _DONE.get(request.query_params.get("done", ""))


routes = [show_plans, start_plan, show_plan, apply_plan, undo_plan, discard_plan]

"""`/reorg`: plans that put like with like and empty boxes, and what becomes of them."""

from __future__ import annotations

from litestar import Router, delete, get, post

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.parameters import Paging, PathId
from stocky.reorganisation import repository
from stocky.reorganisation.schemas import NewPlan, Plan, PlanSummary, StartedPlan
from stocky.reorganisation.service import Reorganisation


@post("/plans", opt=members, status_code=202)
async def start_plan(reorganisation: Reorganisation, user: Principal, data: NewPlan | None = None) -> StartedPlan:
    """Begin to compute a plan; the same stock gives the same plan. Nothing is moved before it is applied."""
    return await reorganisation.start_plan(data or NewPlan(), user)


@get("/plans", opt=members)
async def list_plans(read: Connection, paging: Paging) -> list[PlanSummary]:
    """Plans without their moves, newest first."""
    return await repository.list_plans(read, skip=paging.skip, limit=paging.limit)


@get("/plans/{plan_id:int}", opt=members)
async def get_plan(read: Connection, plan_id: PathId) -> Plan:
    """A plan with its moves, each with its reason."""
    return await repository.get_plan(read, plan_id)


@post("/plans/{plan_id:int}/apply", opt=members, status_code=200)
async def apply_plan(reorganisation: Reorganisation, user: Principal, plan_id: PathId) -> Plan:
    """Book all moves of a plan at once; asked for again, it answers the same and changes nothing.

    Refused when the stock has changed in a way that breaks it. `POST /events/batches/{batch_id}/undo` takes it back.
    """
    return await reorganisation.apply_plan(plan_id, user)


@delete("/plans/{plan_id:int}", opt=members)
async def discard_plan(tx: Connection, user: Principal, plan_id: PathId) -> None:
    """Discard a plan that nobody is going to apply."""
    await repository.discard_plan(tx, plan_id, user)


reorganisation_routes = Router(
    "/reorg",
    route_handlers=[start_plan, list_plans, get_plan, apply_plan, discard_plan],
    tags=["Reorganisation"],
)

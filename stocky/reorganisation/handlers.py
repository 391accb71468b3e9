"""`/reorg`: plans that group like items and empty boxes."""

from __future__ import annotations

from litestar import delete, get, post

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.parameters import Paging, PathId
from stocky.http.routing import Router
from stocky.reorganisation import repository
from stocky.reorganisation.schemas import NewPlan, Plan, PlanSummary, StartedPlan
from stocky.reorganisation.service import Reorganisation


@post("/plans", opt=members, status_code=202)
async def start_plan(reorganisation: Reorganisation, user: Principal, data: NewPlan | None = None) -> StartedPlan:
    """Start computing a plan; the same stock gives the same plan. Nothing is moved until it is applied."""
    return await reorganisation.start_plan(data or NewPlan(), user)


@get("/plans", opt=members)
async def list_plans(read: Connection, paging: Paging) -> list[PlanSummary]:
    """List plans without their moves, newest first."""
    return await repository.list_plans(read, skip=paging.skip, limit=paging.limit, listing=paging)


@get("/plans/{plan_id:int}", opt=members)
async def get_plan(read: Connection, plan_id: PathId) -> Plan:
    """Get a plan with its moves, each with its reason."""
    return await repository.get_plan(read, plan_id)


@post("/plans/{plan_id:int}/apply", opt=members, status_code=200)
async def apply_plan(reorganisation: Reorganisation, user: Principal, plan_id: PathId) -> Plan:
    """Book all moves of a plan at once; repeating it returns the same and changes nothing.

    Rejected when a change of the stock breaks the plan. `POST /events/batches/{batch_id}/undo` undoes it.
    """
    return await reorganisation.apply_plan(plan_id, user)


@delete("/plans/{plan_id:int}", opt=members)
async def discard_plan(tx: Connection, user: Principal, plan_id: PathId) -> None:
    """Discard a plan that was not applied."""
    await repository.discard_plan(tx, plan_id, user)


reorganisation_routes = Router(
    "/reorg",
    route_handlers=[start_plan, list_plans, get_plan, apply_plan, discard_plan],
    tags=["Reorganisation"],
)

"""Computes plans as jobs and applies them: once each, as one batch of the ledger, or not at all."""

from __future__ import annotations

from typing import Any

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.config import Config
from stocky.db import Database
from stocky.errors import Conflict
from stocky.jobs.jobs import Jobs
from stocky.progress import ProgressCallback
from stocky.reorganisation import repository
from stocky.reorganisation.apply import Load, loads
from stocky.reorganisation.computing import compute_proposal
from stocky.reorganisation.schemas import NewPlan, Plan, PlanStatus, StartedPlan
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.operations import ItemKey, LocationKey, Operation, Posting
from stocky.stock.recorder import Recorder

_NOT_NOW = {
    PlanStatus.COMPUTING: "is still being computed; ask again in a moment",
    PlanStatus.DISCARDED: "was discarded; make a new one",
    PlanStatus.EXPIRED: "has expired; make a new one",
    PlanStatus.FAILED: "could not be computed; make a new one",
}


class Reorganisation:
    """The plans of one Stocky."""

    def __init__(self, config: Config, database: Database, jobs: Jobs, recorder: Recorder) -> None:
        self._url = config.database_url
        self._plans = f"{config.base_path}/api/v1/reorg/plans"
        self._database = database
        self._jobs = jobs
        self._recorder = recorder
        jobs.register(repository.KIND, self._compute)

    async def start_plan(self, new: NewPlan, by: Principal) -> StartedPlan:
        """Begins to compute a plan. Raises Conflict when too many wait already."""
        async with self._database.transaction() as tx:
            plan_id, job_id = await repository.add_plan(tx, new, by)
        self._jobs.look_now()
        return StartedPlan(plan_id=plan_id, job_id=job_id, plan_url=f"{self._plans}/{plan_id}")

    async def apply_plan(self, plan_id: int, by: Principal) -> Plan:
        """The plan as it was applied, by this call or by the first one.

        Raises NotFound, and Conflict when it cannot be applied, or no longer, naming what has changed.
        """
        async with self._database.transaction() as tx:
            plan = await repository.lock_plan(tx, plan_id)
            if plan.status in (PlanStatus.APPLIED, PlanStatus.UNDONE):
                return plan
            if plan.status is not PlanStatus.PROPOSED:
                raise Conflict(f"Plan {plan_id} {_NOT_NOW[plan.status]}")
            moves = await repository.list_moves(tx, plan_id)
            found = loads(moves, await repository.lock_what_moves(tx, moves))
            if not found:
                raise Conflict(f"Plan {plan_id} has nothing to move: nothing is where it would be taken from")
            operations = [_operation(load, plan_id, by) for load in found]
            posting = Posting(operations, batch_id=new_batch_id(), atomic=True)
            await self._recorder.post_within(tx, posting)
            if posting.rejected_whole:
                reason = next(each.reason for each in posting.outcomes if each.status == "rejected")
                raise Conflict(f"Nothing was moved: {reason}")
            moved = {row.id: 0 for row in moves} | {load.move.id: load.quantity_milli for load in found}
            return await repository.apply_plan(tx, plan_id, by, posting.batch_id or "", moved, clock.now())

    async def _compute(self, parameters: dict[str, Any], report: ProgressCallback) -> dict[str, Any]:
        plan_id: int = parameters["plan_id"]
        try:
            async with self._database.read() as read:
                plan = await repository.get_plan(read, plan_id)
            proposal = await compute_proposal(self._url, plan.max_moves, report)
            async with self._database.transaction() as tx:
                await repository.propose_plan(tx, plan_id, proposal)
        except Exception:
            # Whoever waits for the plan may not see the job.
            async with self._database.transaction() as tx:
                await repository.fail_plan(tx, plan_id)
            raise
        return {"plan_id": plan_id, "moves": len(proposal.moves), "freed_boxes": proposal.freed_boxes}


def _operation(load: Load, plan_id: int, by: Principal) -> Operation:
    move = load.move
    return Operation(
        kind="move",
        item=ItemKey(id=move.item_id),
        location=LocationKey(id=move.from_location_id),
        to_location=LocationKey(id=move.to_location_id),
        quantity_milli=load.quantity_milli,
        lot=move.expiry_date,
        note=f"Reorganisation plan {plan_id}",
        # A stock record that is new there is noted about what this one was.
        notes=load.notes,
        user_id=by.id,
    )

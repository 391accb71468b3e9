"""Computes plans as jobs and applies each at most once, as one batch of the ledger or not at all."""

from __future__ import annotations

from typing import Any

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.config import Config
from stocky.db import Connection, Database
from stocky.errors import Conflict
from stocky.jobs.jobs import Jobs
from stocky.progress import ProgressCallback
from stocky.reorganisation import repository
from stocky.reorganisation.apply import LotMove, lots_to_move
from stocky.reorganisation.computing import compute_proposal
from stocky.reorganisation.schemas import NewPlan, Plan, PlanStatus, StartedPlan
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.operations import ItemKey, LocationKey, Operation, Posting
from stocky.stock.recorder import Recorder

_REJECTIONS = {
    PlanStatus.COMPUTING: "is still being computed; try again in a moment",
    PlanStatus.DISCARDED: "was discarded; create a new one",
    PlanStatus.EXPIRED: "has expired; create a new one",
    PlanStatus.FAILED: "could not be computed; create a new one",
}


class Reorganisation:
    """Starts, computes and applies plans."""

    def __init__(self, config: Config, database: Database, jobs: Jobs, recorder: Recorder) -> None:
        self._url = config.database_url
        self._plans = f"{config.base_path}/api/v1/reorg/plans"
        self._database = database
        self._jobs = jobs
        self._recorder = recorder
        jobs.register(repository.KIND, self._compute, ended=_ended, cancelled=_give_up)

    async def start_plan(self, new: NewPlan, by: Principal) -> StartedPlan:
        """Starts computing a plan. Raises Conflict when too many plans are open."""
        async with self._database.transaction() as tx:
            plan_id, job_id = await repository.add_plan(tx, new, by)
        self._jobs.look_now()
        return StartedPlan(plan_id=plan_id, job_id=job_id, plan_url=f"{self._plans}/{plan_id}")

    async def apply_plan(self, plan_id: int, by: Principal) -> Plan:
        """Applies a plan; repeating it returns the applied plan and changes nothing.

        Raises NotFound, and Conflict when it cannot or can no longer be applied, naming the change.
        """
        async with self._database.transaction() as tx:
            plan = await repository.lock_plan(tx, plan_id)
            if plan.status in (PlanStatus.APPLIED, PlanStatus.UNDONE):
                return plan
            if plan.status is not PlanStatus.PROPOSED:
                raise Conflict(f"Plan {plan_id} {_REJECTIONS[plan.status]}")
            moves = await repository.list_moves(tx, plan_id)
            found = lots_to_move(moves, await repository.lock_stock(tx, moves))
            if not found:
                raise Conflict(f"Plan {plan_id} has nothing to move: its source locations are empty")
            operations = [_operation(each, plan_id, by) for each in found]
            posting = Posting(operations, batch_id=new_batch_id(), atomic=True)
            await self._recorder.post_within(tx, posting)
            if posting.rejected_whole:
                reason = next(each.reason for each in posting.outcomes if each.status == "rejected")
                raise Conflict(f"Nothing was moved: {reason}")
            moved = {row.id: 0 for row in moves} | {each.move.id: each.quantity_milli for each in found}
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
            # A client that waits for the plan may not see the job.
            async with self._database.transaction() as tx:
                await repository.fail_plan(tx, plan_id)
            raise
        return {"plan_id": plan_id, "moves": len(proposal.moves), "freed_boxes": proposal.freed_boxes}


async def _ended(tx: Connection, parameters: dict[str, Any], error: str | None) -> None:
    """Fails the plan of a failed job; one whose process was killed could not."""
    if error is not None:
        await repository.fail_plan(tx, parameters["plan_id"])


async def _give_up(tx: Connection, parameters: dict[str, Any]) -> None:
    """A plan whose job was cancelled is never computed."""
    await repository.fail_plan(tx, parameters["plan_id"])


def _operation(lot_move: LotMove, plan_id: int, by: Principal) -> Operation:
    move = lot_move.move
    return Operation(
        kind="move",
        item=ItemKey(id=move.item_id),
        location=LocationKey(id=move.from_location_id),
        to_location=LocationKey(id=move.to_location_id),
        quantity_milli=lot_move.quantity_milli,
        expiry_date=move.expiry_date,
        lot=move.lot,
        serial=move.serial,
        opened_on=move.opened_on,
        note=f"Reorganisation plan {plan_id}",
        # A new SKU at the target gets the notes of this one.
        notes=lot_move.notes,
        user_id=by.id,
    )

"""Plans as they are asked for and answered."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct

from stocky.schema import AnyCase

MAX_MOVES = 1000
MAX_DAYS = 90


class PlanStatus(AnyCase):
    """Where a plan stands. Only a proposed one can be applied."""

    COMPUTING = "computing"
    PROPOSED = "proposed"
    APPLIED = "applied"
    UNDONE = "undone"
    DISCARDED = "discarded"
    EXPIRED = "expired"
    FAILED = "failed"


class NewPlan(Struct, kw_only=True):
    """A plan to compute."""

    max_moves: Annotated[int, Meta(ge=1, le=MAX_MOVES, description="How many lots it moves at most")] = MAX_MOVES
    valid_days: Annotated[int, Meta(ge=1, le=MAX_DAYS, description="How long it can be applied")] = 7


class PlannedPlace(Struct, kw_only=True):
    """A location that something goes from or to."""

    id: int
    name: str
    box_no: int | None
    loc_no: int | None


class PlannedMove(Struct, kw_only=True):
    """A lot that goes from one place to another. Moves with one `step` go together, in the order of the steps.

    `moved_quantity` is what was there when the plan was applied; null before.
    """

    step: int
    item_id: int
    code: str
    name: str
    from_location: PlannedPlace
    to_location: PlannedPlace
    expiry_date: date | None
    quantity: float
    unit: str
    reason: Annotated[str, Meta(examples=["5 of it are in Box 2 / 3 already; box 1 becomes empty"])]
    moved_quantity: float | None


class PlanSummary(Struct, kw_only=True):
    """A plan without its moves. `has_more` says that a further plan would move more than `max_moves` allowed here.

    `freed_boxes` are the numbers of the boxes it empties; `batch_id` undoes it once it is applied. `undone` it is when
    all of that has been undone; to move the same again, make a new plan.
    """

    id: int
    status: PlanStatus
    max_moves: int
    has_more: bool
    freed_boxes: list[int]
    move_count: int
    created_by: int | None
    created_at: datetime
    expires_at: datetime
    applied_by: int | None
    applied_at: datetime | None
    batch_id: str | None


class Plan(PlanSummary, kw_only=True):
    """A plan with its moves, in the order in which each is possible."""

    moves: list[PlannedMove] = []


class StartedPlan(Struct, kw_only=True):
    """A plan that is being computed: it is there at `plan_url` when its status is no longer `computing`."""

    plan_id: int
    job_id: int
    plan_url: Annotated[str, Meta(examples=["/api/v1/reorg/plans/1"])]

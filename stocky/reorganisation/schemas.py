"""Request and response types of plans."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct

from stocky.schema import AnyCase

MAX_MOVES = 1000
MAX_DAYS = 90


class PlanStatus(AnyCase):
    """The status of a plan. Only a proposed plan can be applied."""

    COMPUTING = "computing"
    PROPOSED = "proposed"
    APPLIED = "applied"
    UNDONE = "undone"
    DISCARDED = "discarded"
    EXPIRED = "expired"
    FAILED = "failed"


class NewPlan(Struct, kw_only=True):
    """A plan to compute."""

    max_moves: Annotated[int, Meta(ge=1, le=MAX_MOVES, description="The maximum number of lots to move")] = MAX_MOVES
    valid_days: Annotated[int, Meta(ge=1, le=MAX_DAYS, description="The number of days in which it can be applied")] = 7


class PlannedPlace(Struct, kw_only=True):
    """The source or target location of a move."""

    id: int
    name: str
    path: Annotated[str, Meta(description="The names from the top down", examples=["Garage / Shelf 2"])]
    box_no: int | None
    loc_no: int | None


class PlannedMove(Struct, kw_only=True):
    """A lot that moves between two locations. Moves with the same `step` go together, in the order of the steps.

    `moved_quantity` is the quantity that was moved when the plan was applied; null before.
    """

    step: int
    item_id: int
    code: str
    name: str
    from_location: PlannedPlace
    to_location: PlannedPlace
    expiry_date: date | None
    lot: str
    serial: str
    opened_on: date | None
    quantity: float
    unit: str
    reason: Annotated[str, Meta(examples=["5 of it are in Box 2 / 3 already; box 1 becomes empty"])]
    moved_quantity: float | None


class PlanSummary(Struct, kw_only=True):
    """A plan without its moves. `has_more` is true when `max_moves` cut off moves that a further plan would have.

    `freed_boxes` are the numbers of the boxes it empties; `batch_id` undoes it once applied. Its status is `undone`
    when all of that was undone; to move the same again, create a new plan.
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
    """A plan with its moves, in an order in which each is possible."""

    moves: list[PlannedMove] = []


class StartedPlan(Struct, kw_only=True):
    """A plan that is being computed; poll `plan_url` until its status is no longer `computing`."""

    plan_id: int
    job_id: int
    plan_url: Annotated[str, Meta(examples=["/api/v1/reorg/plans/1"])]

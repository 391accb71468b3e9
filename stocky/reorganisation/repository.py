"""Plans in the database, and the stock they are computed from. An applied plan does not change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta

import msgspec

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import get_items
from stocky.catalogue.schemas import Location
from stocky.db import Connection, Listing
from stocky.errors import Conflict, NotFound
from stocky.jobs.repository import NewJob, add_job
from stocky.logs import audit
from stocky.quantity import from_milli
from stocky.reorganisation.planning import Lot, Proposal, Spot, Thing
from stocky.reorganisation.schemas import NewPlan, Plan, PlannedMove, PlannedPlace, PlanStatus, PlanSummary
from stocky.schema import LocationKind, StorageType
from stocky.stock.models import LotKey, SkuState, StockItem

KIND = "reorg.plan"
# The limit of plans that are neither applied nor discarded.
MAX_OPEN = 50
RETENTION = timedelta(days=30)


class MoveRow(msgspec.Struct, kw_only=True):
    """A lot that a plan moves, in thousandths."""

    id: int
    step: int
    item_id: int
    code: str
    name: str
    from_location_id: int
    from_name: str
    from_path: str
    from_box_no: int | None
    from_loc_no: int | None
    to_location_id: int
    to_name: str
    to_path: str
    to_box_no: int | None
    to_loc_no: int | None
    expiry_date: date | None
    lot: str
    serial: str
    opened_on: date | None
    quantity_milli: int
    unit: str
    reason: str
    moved_milli: int | None

    @property
    def key(self) -> LotKey:
        return LotKey(self.expiry_date, self.lot, self.serial, self.opened_on)


class Occupant(msgspec.Struct):
    """An item with stock at a location."""

    location_id: int
    item_id: int
    name: str


class CurrentStock(msgspec.Struct):
    """The current stock of the items and locations of a plan."""

    spots: dict[int, Spot]
    things: dict[int, Thing]
    skus: list[SkuState]
    occupants: list[Occupant]


class _ThingRow(msgspec.Struct):
    id: int
    name: str
    storage_type: StorageType
    type_name: str | None


class _TagRow(msgspec.Struct):
    item_id: int
    name: str


async def read_stock(read: Connection) -> tuple[list[Spot], list[Thing], list[Lot]]:
    """The stock a plan is computed from: every active location, every item with stock, every SKU.

    The kind of an item is its type, or without a type all of its tags.
    """
    lots = await read.all("list_lots", Lot)
    tags: dict[int, list[str]] = defaultdict(list)
    for row in await read.all("list_tags_of_things", _TagRow):
        tags[row.item_id].append(row.name)
    things = [
        Thing(row.id, row.name, row.storage_type, _kind(row.type_name, tags.get(row.id)))
        for row in await read.all("list_things", _ThingRow)
    ]
    return await read.all("list_spots", Spot), things, lots


async def get_plan(read: Connection, plan_id: int) -> Plan:
    """A plan with its moves. Raises NotFound."""
    plan = await read.one("get_plan", Plan, id=plan_id)
    if plan is None:
        raise NotFound(f"There is no plan {plan_id}")
    _expire([plan])
    plan.moves = [_move(row) for row in await list_moves(read, plan_id)]
    return plan


async def list_plans(read: Connection, *, skip: int, limit: int, listing: Listing | None = None) -> list[PlanSummary]:
    """Plans without their moves, newest first or in the order of `listing`."""
    plans = await read.page("list_plans", PlanSummary, listing, skip=skip, limit=limit)
    _expire(plans)
    return plans


def _expire(plans: Iterable[PlanSummary]) -> None:
    """Gives open plans whose time is over their status. Not in SQL: with its moment, no total would be cached."""
    now = clock.now()
    for plan in plans:
        if plan.status in (PlanStatus.COMPUTING, PlanStatus.PROPOSED) and plan.expires_at <= now:
            plan.status = PlanStatus.EXPIRED


async def list_moves(read: Connection, plan_id: int) -> list[MoveRow]:
    """The moves of a plan, in an order in which each is possible."""
    return await read.all("list_moves", MoveRow, plan_id=plan_id)


async def add_plan(tx: Connection, new: NewPlan, by: Principal) -> tuple[int, int]:
    """Adds a plan and the job that computes it; returns their ids. Raises Conflict when too many plans are open."""
    now = clock.now()
    await tx.execute("remove_old_plans", before=now - RETENTION)
    if await tx.value("count_open_plans", now=now) >= MAX_OPEN:
        raise Conflict(f"{MAX_OPEN} plans are already open; apply or discard some of them first")
    plan_id: int = await tx.value(
        "add_plan",
        max_moves=new.max_moves,
        created_by=by.id,
        created_at=now,
        expires_at=now + timedelta(days=new.valid_days),
    )
    job = NewJob(kind=KIND, parameters={"plan_id": plan_id}, created_by=by.user.username)
    job_id = await add_job(tx, job)
    assert job_id is not None
    await audit.record(tx, by, "created", "reorg_plan", plan_id, {"max_moves": new.max_moves})
    return plan_id, job_id


async def propose_plan(tx: Connection, plan_id: int, proposal: Proposal) -> None:
    """Stores a proposal, unless the plan was discarded or already has one."""
    freed = proposal.freed_boxes
    if await tx.execute("propose_plan", id=plan_id, has_more=proposal.has_more, freed_boxes=freed):
        await _add_moves(tx, plan_id, proposal)


async def fail_plan(tx: Connection, plan_id: int) -> None:
    """Marks a plan as failed; the job has the reason."""
    await tx.execute("fail_plan", id=plan_id)


async def discard_plan(tx: Connection, plan_id: int, by: Principal) -> None:
    """Discards a plan. Raises NotFound, Conflict when it was applied."""
    plan = await lock_plan(tx, plan_id)
    if plan.status is PlanStatus.APPLIED:
        raise Conflict(f"Plan {plan_id} was applied; undo its batch instead")
    if plan.status is PlanStatus.UNDONE:
        raise Conflict(f"Plan {plan_id} was applied and undone; it stays as a record")
    if plan.status is not PlanStatus.DISCARDED:
        await tx.execute("discard_plan", id=plan_id)
        await audit.record(tx, by, "discarded", "reorg_plan", plan_id, {})


async def lock_plan(tx: Connection, plan_id: int) -> Plan:
    """A plan, locked until the transaction ends. Raises NotFound."""
    await tx.value("lock_plan", id=plan_id)
    return await get_plan(tx, plan_id)


async def lock_stock(tx: Connection, moves: list[MoveRow]) -> CurrentStock:
    """The stock that the moves depend on, locked until the transaction ends: locations first, as in all events."""
    location_ids = {row.from_location_id for row in moves} | {row.to_location_id for row in moves}
    item_ids = {row.item_id for row in moves}
    await tx.all("lock_locations", dict[str, int], ids=location_ids)
    await tx.all("lock_items", StockItem, ids=item_ids)
    locations = await tx.all("list_locations_by_id", Location, ids=location_ids)
    items = await get_items(tx, item_ids)
    return CurrentStock(
        {
            each.id: Spot(
                each.id, each.path, None if each.loc_no is None else each.box_no, each.loc_no, each.storage_type
            )
            for each in locations
            if each.is_active and each.kind is LocationKind.PLACE
        },
        {each.id: Thing(each.id, each.name, each.default_storage_type) for each in items.values()},
        await tx.all("list_skus_of_items", SkuState, ids=item_ids),
        await tx.all("list_items_at", Occupant, ids=location_ids),
    )


async def apply_plan(
    tx: Connection, plan_id: int, by: Principal, batch_id: str, moved: dict[int, int], moment: datetime
) -> Plan:
    """Marks the plan as applied; `moved` has the thousandths of each move, by its id."""
    await _note_moved(tx, moved)
    await tx.execute("apply_plan", id=plan_id, applied_by=by.id, applied_at=moment, batch_id=batch_id)
    await audit.record(tx, by, "applied", "reorg_plan", plan_id, {"batch_id": batch_id})
    return await get_plan(tx, plan_id)


async def _add_moves(tx: Connection, plan_id: int, proposal: Proposal) -> None:
    rows = [
        (plan_id, step, move.item_id, move.from_id, move.to_id, *msgspec.structs.astuple(lot), move.reason)
        for step, move in enumerate(proposal.moves, 1)
        for lot in move.lots
    ]
    if rows:
        await tx.execute_many("add_move", rows)


async def _note_moved(tx: Connection, moved: dict[int, int]) -> None:
    await tx.execute_many("note_moved", [(quantity, id) for id, quantity in moved.items()])


def _move(row: MoveRow) -> PlannedMove:
    return PlannedMove(
        step=row.step,
        item_id=row.item_id,
        code=row.code,
        name=row.name,
        from_location=PlannedPlace(
            id=row.from_location_id,
            name=row.from_name,
            path=row.from_path,
            box_no=row.from_box_no,
            loc_no=row.from_loc_no,
        ),
        to_location=PlannedPlace(
            id=row.to_location_id, name=row.to_name, path=row.to_path, box_no=row.to_box_no, loc_no=row.to_loc_no
        ),
        expiry_date=row.expiry_date,
        lot=row.lot,
        serial=row.serial,
        opened_on=row.opened_on,
        quantity=from_milli(row.quantity_milli),
        unit=row.unit,
        reason=row.reason,
        moved_quantity=None if row.moved_milli is None else from_milli(row.moved_milli),
    )


def _kind(type_name: str | None, tags: list[str] | None) -> str | None:
    if type_name:
        return f"type {type_name}"
    return f"tag {', '.join(tags)}" if tags else None

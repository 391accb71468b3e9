"""Undo is a compensating event for one event, its transfer or its batch: once, and only while the stock suffices."""

from __future__ import annotations

from datetime import date

import pytest
from httpx import AsyncClient

from stocky.errors import Conflict, Invalid, NotFound
from tests.stock.stockroom import Stockroom, at_once, event, leave, second_stockroom

SOON, LATER = date(2026, 6, 1), date(2026, 9, 1)


async def test_undo_adds_an_event_and_keeps_both(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    added = await stockroom.one(event("add", rice, shelf, 2.5))
    (undone,) = await stockroom.undo(event=added.id, note="miscounted")
    assert (undone.type, undone.delta, undone.reverses_id, undone.note) == ("undo", -2.5, added.id, "miscounted")
    first, second = await stockroom.history(rice)
    assert (first.id, first.delta, first.reversed_by_id) == (added.id, 2.5, undone.id)
    assert (second.id, second.reversed_by_id) == (undone.id, None)
    assert await stockroom.total(rice) == 0
    await stockroom.check()


async def test_event_is_undone_once(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    await stockroom.one(event("add", rice, shelf, 9))
    added = await stockroom.one(event("add", rice, shelf, 1))
    outcomes = await at_once([lambda: _tried(stockroom, added.id)] * 4)
    assert outcomes == [True, False, False, False]
    assert await _tried(stockroom, added.id) is False
    assert await stockroom.total(rice) == 9


async def test_two_processes_undo_the_same_event_once(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    other = await second_stockroom(stockroom.config)
    for number in range(1, 9):
        added = await stockroom.one(event("add", rice, shelf, 1))
        await stockroom.one(event("add", rice, shelf, 1))
        outcomes = await at_once([lambda id=added.id: _tried(stockroom, id), lambda id=added.id: _tried(other, id)])
        assert sorted(outcomes) == [False, True]
        assert await stockroom.total(rice) == number
    await leave(other)
    await stockroom.check()


async def test_undo_of_an_undo_is_rejected(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    added = await stockroom.one(event("add", rice, shelf, 1))
    (undone,) = await stockroom.undo(event=added.id)
    with pytest.raises(Conflict, match="itself an undo"):
        await stockroom.undo(event=undone.id)


async def test_undo_is_rejected_after_the_stock_was_removed(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    added = await stockroom.one(event("add", rice, shelf, 5))
    taken = await stockroom.one(event("remove", rice, shelf, 3))
    with pytest.raises(Conflict, match="would leave -3 of"):
        await stockroom.undo(event=added.id)
    await stockroom.undo(event=taken.id)
    await stockroom.undo(event=added.id)
    assert await stockroom.total(rice) == 0


async def test_removal_from_several_lots_has_one_result_and_one_undo(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    await stockroom.post(
        event("add", rice, shelf, 1, lot=LATER), event("add", rice, shelf, 1, lot=SOON), event("add", rice, shelf, 1)
    )
    before = await stockroom.lots(rice)
    taken = await stockroom.one(event("remove", rice, shelf, 2.5, "r"))
    assert await stockroom.lots(rice) == {(shelf, LATER): 0, (shelf, SOON): 0, (shelf, None): 0.5}
    rows = (await stockroom.history(rice))[3:]
    assert [(row.event_id, row.transfer_id, row.delta) for row in rows] == [
        ("r", taken.id, -1),
        (None, taken.id, -1),
        (None, taken.id, -0.5),
    ]
    # Any of its rows identifies all of them.
    undone = await stockroom.undo(event=rows[1].id)
    assert [row.reverses_id for row in undone] == [row.id for row in reversed(rows)]
    assert await stockroom.lots(rice) == before
    with pytest.raises(Conflict, match="undone already"):
        await stockroom.undo(event=taken.id)


async def test_undo_of_a_move_covers_both_sides(stockroom: Stockroom) -> None:
    rice, shelf, cellar = await stockroom.item(), await stockroom.location(), await stockroom.location()
    await stockroom.one(event("add", rice, shelf, 5))
    moved = await stockroom.one(event("move", rice, None, 2, to=cellar))
    out, come = (await stockroom.history(rice))[1:]
    assert (out.transfer_id, come.transfer_id) == (moved.id, moved.id)
    assert (out.location_id, out.delta, come.location_id, come.delta) == (shelf, -2, cellar, 2)
    await stockroom.undo(event=come.id)
    assert await stockroom.lots(rice) == {(shelf, None): 5, (cellar, None): 0}
    await stockroom.check()


async def test_batch_undo_covers_the_rest_of_the_batch(stockroom: Stockroom) -> None:
    rice, shelf, cellar = await stockroom.item(), await stockroom.location(), await stockroom.location()
    answer = await stockroom.post(
        event("add", rice, shelf, 5),
        event("remove", rice, shelf, 99),
        event("move", rice, shelf, 2, to=cellar),
        event("set", rice, cellar, 1.5),
    )
    await stockroom.undo(event=answer.results[3].id)
    undone = await stockroom.undo(batch=answer.batch_id)
    assert [row.delta for row in undone] == [-2, 2, -5]
    assert await stockroom.lots(rice) == {(shelf, None): 0, (cellar, None): 0}
    with pytest.raises(Conflict, match="undone already"):
        await stockroom.undo(batch=answer.batch_id)
    with pytest.raises(NotFound):
        await stockroom.undo(batch="no such batch")
    await stockroom.check()


async def test_batch_undo_is_rejected_if_part_of_the_stock_was_removed(stockroom: Stockroom) -> None:
    rice, beans, shelf = await stockroom.item(), await stockroom.item(), await stockroom.location()
    answer = await stockroom.post(event("add", rice, shelf, 5), event("add", beans, shelf, 5))
    await stockroom.one(event("remove", rice, shelf, 1))
    with pytest.raises(Conflict, match="would leave -1"):
        await stockroom.undo(batch=answer.batch_id)
    assert (await stockroom.total(rice), await stockroom.total(beans)) == (4, 5)


async def test_batch_undo_needs_only_the_final_stock(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    await stockroom.one(event("add", rice, shelf, 2))
    answer = await stockroom.post(event("remove", rice, shelf, 2), event("add", rice, shelf, 5))
    await stockroom.one(event("remove", rice, shelf, 1))
    # The latest is undone first, and 4 is less than the 5 added last.
    assert [row.delta for row in await stockroom.undo(batch=answer.batch_id)] == [-5, 2]
    assert await stockroom.total(rice) == 1
    await stockroom.check()


async def test_concurrent_undo_of_an_event_and_its_batch(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    answer = await stockroom.post(event("add", rice, shelf, 5), event("add", rice, shelf, 2))
    one, rest = await at_once([
        lambda: stockroom.undo(event=answer.results[0].id),
        lambda: stockroom.undo(batch=answer.batch_id),
    ])  # fmt: skip
    assert [row.delta for row in one + rest] == [-5, -2]
    assert await stockroom.total(rice) == 0


async def test_undo_is_rejected_for_an_inactive_location_or_item(stockroom: Stockroom, admin: AsyncClient) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    await stockroom.one(event("add", rice, shelf, 5))
    taken = await stockroom.one(event("remove", rice, shelf, 5))
    assert (await admin.delete(f"/locations/{shelf}")).status_code == 200
    with pytest.raises(Invalid, match="no longer in use"):
        await stockroom.undo(event=taken.id)
    refused = await admin.post(f"/skus/{taken.sku_id}/adjust", json={"delta": 1})
    assert refused.status_code == 422
    assert "no longer in use" in refused.json()["detail"]
    assert (await admin.patch(f"/locations/{shelf}", json={"is_active": True})).status_code == 200
    assert (await admin.delete(f"/items/{rice}")).status_code == 200
    with pytest.raises(Invalid, match="no longer in use"):
        await stockroom.undo(event=taken.id)
    for kind in ("add", "set"):
        assert (await stockroom.one(event(kind, rice, shelf, 1))).status == "rejected"
    assert len(await stockroom.history(rice)) == 2


async def test_undo_returns_the_compensation_over_http(stockroom: Stockroom, member: AsyncClient) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    answer = await stockroom.post(event("add", rice, shelf, 5), event("add", rice, shelf, 2))
    first = await member.post(f"/events/{answer.results[0].id}/undo")
    assert (first.status_code, [row["delta"] for row in first.json()["events"]]) == (200, [-5])
    assert (await member.post(f"/events/{answer.results[0].id}/undo", json={})).status_code == 409
    rest = await member.post(f"/events/batches/{answer.batch_id}/undo", json={"note": "all wrong"})
    assert (rest.status_code, [row["note"] for row in rest.json()["events"]]) == (200, ["all wrong"])
    assert (await member.post("/events/999999/undo")).status_code == 404


async def _tried(stockroom: Stockroom, event_id: int | None) -> bool:
    try:
        await stockroom.undo(event=event_id)
    except Conflict:
        return False
    return True

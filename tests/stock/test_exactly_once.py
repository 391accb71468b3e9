"""An event_id counts once, however often it is sent; other content under it is rejected."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from httpx import AsyncClient

from stocky.errors import Conflict, NotFound
from stocky.stock import service
from stocky.stock.schemas import Adjustment, NewSku, QuantityChange
from tests.stock.stockroom import SOMEONE, Stockroom, at_once, event, leave, second_stockroom


async def test_event_repeated_in_one_request_counts_once(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    answer = await stockroom.post(*[event("add", rice, shelf, 2, "a")] * 3)
    assert [result.status for result in answer.results] == ["applied", "duplicate", "duplicate"]
    assert len({(result.id, result.sku_id, result.quantity_after) for result in answer.results}) == 1
    assert (answer.applied, answer.duplicates, answer.rejected) == (1, 2, 0)
    assert await stockroom.total(rice) == 2


async def test_event_repeated_in_one_batch_counts_once(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    sent = event("add", rice, shelf, 2, "a")
    results = await at_once([lambda: stockroom.one(sent)] * 20)
    assert sorted(result.status for result in results) == ["applied"] + ["duplicate"] * 19
    assert {(result.id, result.quantity_after) for result in results} == {(results[0].id, 2)}
    assert stockroom.recorder.batches == 1


async def test_repeated_event_returns_the_first_result(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    first = await stockroom.one(event("add", rice, shelf, 2, "a"))
    await stockroom.one(event("add", rice, shelf, 40, "b"))
    again = await stockroom.one(event("add", rice, shelf, 2, "a"))
    assert (again.status, again.id, again.sku_id, again.quantity_after) == ("duplicate", first.id, first.sku_id, 2)
    assert await stockroom.total(rice) == 42


async def test_event_id_survives_reopening_the_database(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    first = await stockroom.one(event("add", rice, shelf, 2, "a"))
    refused = await stockroom.one(event("remove", rice, shelf, 3, "b"))
    other = await second_stockroom(stockroom.config)
    assert (await other.one(event("add", rice, shelf, 2, "a"))).id == first.id
    assert (await other.one(event("remove", rice, shelf, 3, "b"))).reason == refused.reason
    await leave(other)
    assert await stockroom.total(rice) == 2


async def test_rejection_is_repeated_although_the_stock_suffices_now(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    refused = await stockroom.one(event("remove", rice, shelf, 1, "a"))
    await stockroom.one(event("add", rice, shelf, 5))
    again = await stockroom.one(event("remove", rice, shelf, 1, "a"))
    assert (again.status, again.reason) == ("rejected", refused.reason)
    in_batch = await stockroom.post(event("remove", rice, shelf, 9, "b"), event("remove", rice, shelf, 9, "b"))
    assert [result.status for result in in_batch.results] == ["rejected", "rejected"]
    assert await stockroom.total(rice) == 5


@pytest.mark.parametrize("first_quantity", [1, 99], ids=["applied", "refused"])
async def test_other_content_under_an_event_id_is_rejected(stockroom: Stockroom, first_quantity: int) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    await stockroom.one(event("add", rice, shelf, 5))
    first = await stockroom.one(event("remove", rice, shelf, first_quantity, "a"))
    before = await stockroom.history()
    for other in (
        event("remove", rice, shelf, 2, "a"),
        event("add", rice, shelf, first_quantity, "a"),
        event("remove", rice, shelf, first_quantity, "a", note="other"),
        event("remove", rice, shelf, first_quantity, "a", occurred_at=datetime(2026, 1, 1, tzinfo=UTC)),
    ):
        refused = await stockroom.one(other)
        assert refused.status == "rejected"
        assert "already used with other content" in (refused.reason or "")
    assert await stockroom.history() == before
    assert (await stockroom.one(event("remove", rice, shelf, first_quantity, "a"))).reason == first.reason


async def test_other_content_in_one_request_does_not_affect_the_first(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    answer = await stockroom.post(event("add", rice, shelf, 1, "a"), event("add", rice, shelf, 2, "a"))
    assert [result.status for result in answer.results] == ["applied", "rejected"]
    assert await stockroom.total(rice) == 1


async def test_repeated_transfer_counts_once_and_returns_all_events(stockroom: Stockroom) -> None:
    rice, shelf, cellar = await stockroom.item(), await stockroom.location(), await stockroom.location()
    await stockroom.one(event("add", rice, shelf, 5))
    moved = [await stockroom.one(event("move", rice, shelf, 3, "m", to=cellar)) for _ in range(3)]
    assert [result.status for result in moved] == ["applied", "duplicate", "duplicate"]
    assert await stockroom.lots(rice) == {(shelf, None): 2, (cellar, None): 3}
    undone = [await stockroom.undo(event=moved[0].id, event_id="u") for _ in range(3)]
    assert [row.id for row in undone[0]] == [row.id for row in undone[1]] == [row.id for row in undone[2]]
    assert len(undone[0]) == 2
    assert await stockroom.lots(rice) == {(shelf, None): 5, (cellar, None): 0}


async def test_repeated_event_creates_no_item_for_a_removed_barcode(stockroom: Stockroom) -> None:
    shelf = await stockroom.location()
    rice = await stockroom.item(packs={"4006381333931": 1})
    await stockroom.one(event("add", "4006381333931", shelf, 1, "a"))
    async with stockroom.database.transaction() as tx:
        await tx.execute("remove_barcodes", item_id=rice)
    again = await stockroom.one(event("add", "4006381333931", shelf, 1, "a"))
    assert again.status == "duplicate"
    async with stockroom.database.read() as read:
        assert await read.value("find_item_by_barcode", code="4006381333931", code_key="04006381333931") is None


async def test_repeated_count_or_adjustment_counts_once(stockroom: Stockroom) -> None:
    rice, shelf, recorder = await stockroom.item(), await stockroom.location(), stockroom.recorder
    new = NewSku(item_id=rice, location_id=shelf, quantity=5, event_id="n")
    sku, is_new = await service.add_stock(recorder, new, SOMEONE)
    again, is_new_again = await service.add_stock(recorder, new, SOMEONE)
    assert (is_new, is_new_again, again.quantity) == (True, False, 5)
    for _ in range(2):
        adjusted = await service.adjust_stock(recorder, sku.id, Adjustment(delta=-2, event_id="a"), SOMEONE)
        assert adjusted.quantity == 3
    await service.count_stock(recorder, sku.id, QuantityChange(quantity=9, event_id="c"), SOMEONE, None)
    await service.adjust_stock(recorder, sku.id, Adjustment(delta=1), SOMEONE)
    counted = await service.count_stock(recorder, sku.id, QuantityChange(quantity=9, event_id="c"), SOMEONE, None)
    assert counted.quantity == 10
    assert len(await stockroom.history(rice)) == 4


async def test_repeated_rejected_request_is_the_same_error(stockroom: Stockroom) -> None:
    rice, shelf, recorder = await stockroom.item(), await stockroom.location(), stockroom.recorder
    sku, _ = await service.add_stock(recorder, NewSku(item_id=rice, location_id=shelf, quantity=5), SOMEONE)
    for _ in range(2):
        with pytest.raises(NotFound):
            await service.adjust_stock(recorder, sku.id + 1000, Adjustment(delta=1, event_id="a"), SOMEONE)
        with pytest.raises(Conflict):
            await service.adjust_stock(recorder, sku.id, Adjustment(delta=-9, event_id="b"), SOMEONE)


async def test_concurrent_requests_create_one_empty_sku(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    new = NewSku(item_id=rice, location_id=shelf, event_id="a")
    made = await at_once([lambda: service.add_stock(stockroom.recorder, new, SOMEONE)] * 3)
    assert [is_new for _, is_new in made].count(True) >= 1
    assert len({sku.id for sku, _ in made}) == 1


async def test_failed_if_match_can_be_repeated_with_the_current_version(
    stockroom: Stockroom, member: AsyncClient
) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    made = (await member.post("/skus/", json={"item_id": rice, "location_id": shelf, "quantity": 5})).json()
    await member.post(f"/skus/{made['id']}/adjust", json={"delta": 1})
    body = {"quantity": 3, "event_id": "count-1"}
    stale = await member.put(f"/skus/{made['id']}/quantity", json=body, headers={"If-Match": str(made["version"])})
    assert stale.status_code == 412
    now = (await member.get(f"/skus/{made['id']}")).json()["version"]
    right = await member.put(f"/skus/{made['id']}/quantity", json=body, headers={"If-Match": str(now)})
    assert (right.status_code, right.json()["quantity"]) == (200, 3)


async def test_repeated_scan_counts_once(stockroom: Stockroom, scanner: AsyncClient) -> None:
    shelf = await stockroom.location()
    rice = await stockroom.item(packs={"4006381333931": 6})
    await scanner.put("/scanner/door/state", json={"location_id": shelf})
    scan = {"upc": "4006381333931", "scanner_id": "door", "event_id": "s-1"}
    first, again = [(await scanner.post("/scanner/scan", json=scan)).json() for _ in range(2)]
    assert (first["success"], first["duplicate"], again["success"], again["duplicate"]) == (True, False, True, True)
    assert first["event"]["id"] == again["event"]["id"]
    assert await stockroom.total(rice) == 6
    other = await scanner.post("/scanner/scan", json=scan | {"quantity": 2})
    assert other.status_code == 409
    assert "use a new one" in other.json()["detail"]
    assert await stockroom.total(rice) == 6
    await stockroom.check()

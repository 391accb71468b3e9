"""A failing posting or a disconnected client does not affect the other postings of its batch."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from httpx import AsyncClient

from stocky import clock
from stocky.db import Connection
from stocky.errors import Conflict, Invalid, Unavailable
from stocky.stock import recorder
from stocky.stock.operations import ItemKey, LocationKey, Operation, Posting
from tests.stock.stockroom import Stockroom, at_once, event


def addition(item: int, location: int, **more: Any) -> Operation:
    return Operation(kind="add", item=ItemKey(id=item), location=LocationKey(id=location), quantity_milli=1000, **more)


async def test_row_rejected_by_the_database_fails_exclusive(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    postings = [Posting([addition(rice, shelf, event_id=f"e{number}", fingerprint="")]) for number in range(9)]
    postings[4].operations[0].note = "a NUL \0 gets past nobody"
    outcomes = await asyncio.gather(*(stockroom.recorder.post(each) for each in postings), return_exceptions=True)
    assert isinstance(outcomes[4], Invalid)
    assert [each.outcomes[0].status for each in postings[:4] + postings[5:]] == ["applied"] * 8
    assert await stockroom.total(rice) == 8
    await stockroom.check()


async def test_defect_in_one_posting_does_not_affect_others(stockroom: Stockroom) -> None:
    class FailingPosting(Posting):
        @classmethod
        async def finish(cls, tx: Connection, postings: list[Any]) -> None:
            raise ZeroDivisionError

    rice, shelf = await stockroom.item(), await stockroom.location()
    good = [Posting([addition(rice, shelf)]) for _ in range(4)]
    broken = FailingPosting([addition(rice, shelf)])
    outcomes = await asyncio.gather(
        *(stockroom.recorder.post(each) for each in [*good[:2], broken, *good[2:]]), return_exceptions=True
    )
    assert [type(each) for each in outcomes if isinstance(each, BaseException)] == [ZeroDivisionError]
    assert [each.outcomes[0].status for each in good] == ["applied"] * 4
    assert await stockroom.total(rice) == 4
    assert (await stockroom.one(event("add", rice, shelf, 1))).quantity_after == 5


async def test_disconnected_client_does_not_affect_its_batch(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    waiting = [asyncio.create_task(stockroom.one(event("add", rice, shelf, 1, f"e{each}"))) for each in range(9)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[5].cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in answers].count(asyncio.CancelledError) == 2
    assert await stockroom.total(rice) == 9
    assert stockroom.recorder.waiting == 0
    # The disconnected client has no answer, and may repeat the event.
    assert (await stockroom.one(event("add", rice, shelf, 1, "e0"))).status == "duplicate"


@pytest.mark.parametrize("steps", range(6))
async def test_cancelled_transaction_releases_the_writer(stockroom: Stockroom, steps: int) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()

    async def change() -> None:
        async with stockroom.database.transaction() as tx:
            await tx.execute("remove_barcodes", item_id=rice)
            await tx.execute("remove_barcodes", item_id=rice)

    given_up = asyncio.create_task(change())
    for _ in range(steps):
        await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert (await stockroom.one(event("add", rice, shelf, 1))).status == "applied"


async def test_full_queue_is_unavailable(stockroom: Stockroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "QUEUE_OPERATIONS", 10)
    rice, shelf = await stockroom.item(), await stockroom.location()
    answers = await asyncio.gather(
        *(stockroom.one(event("add", rice, shelf, 1)) for _ in range(15)), return_exceptions=True
    )
    refused = [each for each in answers if isinstance(each, Unavailable)]
    assert len(refused) == 5
    assert refused[0].headers["Retry-After"] == "1"
    assert await stockroom.total(rice) == 10
    assert (await stockroom.one(event("add", rice, shelf, 1))).status == "applied"


async def test_full_queue_is_503_over_http(
    scanner: AsyncClient, stockroom: Stockroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "QUEUE_OPERATIONS", 0)
    shelf = await stockroom.location()
    body = {"events": [{"type": "add", "item": {"upc": "1"}, "location": {"id": shelf}, "quantity": 1}]}
    answer = await scanner.post("/events", json=body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "again" in answer.json()["detail"]


async def test_queued_postings_are_written_before_the_recorder_closes(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    waiting = [asyncio.create_task(stockroom.one(event("add", rice, shelf, 1))) for _ in range(5)]
    await asyncio.sleep(0)
    await stockroom.recorder.close()
    assert [(await each).status for each in waiting] == ["applied"] * 5
    with pytest.raises(Unavailable):
        await stockroom.one(event("add", rice, shelf, 1))


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
        datetime(999, 12, 31, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-5))),
        clock.now() + timedelta(days=2),
    ],
    ids=["before all time", "three-digit year", "after all time", "the day after tomorrow"],
)
async def test_event_outside_the_clock_tolerance_is_rejected(stockroom: Stockroom, moment: datetime) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    answer = await stockroom.post(event("add", rice, shelf, 1, occurred_at=moment), event("add", rice, shelf, 2))
    assert [result.status for result in answer.results] == ["rejected", "applied"]
    assert "set the scanner's clock" in (answer.results[0].reason or "")
    assert [row.delta for row in await stockroom.history()] == [2]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "0999-06-01T00:00:00Z"])
async def test_filter_by_an_extreme_time_is_accepted(member: AsyncClient, moment: str) -> None:
    for path, name in (("/events", "since"), ("/events", "until"), ("/skus", "as_of")):
        answer = await member.get(path, params={name: moment})
        assert answer.status_code in (200, 422), answer.text


async def test_atomic_request_is_all_or_nothing(stockroom: Stockroom) -> None:
    rice, shelf, cellar = await stockroom.item(), await stockroom.location(), await stockroom.location()
    first = await stockroom.one(event("add", rice, shelf, 5, "first"))
    before = await stockroom.history()
    with pytest.raises(Conflict) as refused:
        await stockroom.post(
            event("add", rice, shelf, 5, "first"),
            event("add", rice, cellar, 1, "a"),
            event("add", rice, cellar, 1, "a"),
            event("add", "0000000000017", cellar, 1, "b"),
            event("remove", rice, shelf, 6, "c"),
            event("add", rice, shelf, 7, "d"),
            atomic=True,
        )
    results = refused.value.results
    assert [result.status for result in results] == ["duplicate"] + ["rejected"] * 5
    assert results[0].id == first.id
    assert "event 4 was rejected" in (results[1].reason or "")
    assert "Only 5" in (results[4].reason or "")
    assert await stockroom.history() == before
    assert await stockroom.lots(rice) == {(shelf, None): 5}
    async with stockroom.database.read() as read:
        assert await read.value("find_item_by_barcode", code="0000000000017", code_key="00000000000017") is None
    # None of its event_ids is used.
    again = await stockroom.post(
        event("add", rice, cellar, 1, "a"), event("add", rice, cellar, 1, "a"), event("remove", rice, shelf, 5, "c"),
        event("add", "0000000000017", cellar, 1, "b"), atomic=True,
    )  # fmt: skip
    assert [result.status for result in again.results] == ["applied", "duplicate", "applied", "applied"]


async def test_rejected_atomic_request_does_not_affect_its_batch(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    before, refused, after, same_stub, last = await asyncio.gather(
        stockroom.post(event("add", rice, shelf, 5, "a")),
        stockroom.post(
            event("add", rice, shelf, 9, "b"),
            event("add", "0000000000017", shelf, 1),
            event("remove", rice, shelf, 99),
            atomic=True,
        ),
        stockroom.post(event("add", rice, shelf, 2, "b")),
        stockroom.post(event("add", "0000000000017", shelf, 3)),
        stockroom.post(event("remove", rice, shelf, 7), atomic=True),
        return_exceptions=True,
    )
    assert isinstance(refused, Conflict)
    for answer in (before, after, same_stub, last):
        assert not isinstance(answer, BaseException)
        assert answer.applied == 1
    assert stockroom.recorder.batches == 1
    assert [row.delta for row in await stockroom.history(rice)] == [5, 2, -7]
    await stockroom.check()


async def test_rejected_atomic_request_is_409_with_results(stockroom: Stockroom, scanner: AsyncClient) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    one = {"type": "ADD", "item": {"id": rice}, "location": {"id": shelf}, "quantity": 1}
    answer = await scanner.post(
        "/events", json={"events": [one, one | {"type": "remove", "quantity": 9}], "atomic": True}
    )
    assert answer.status_code == 409
    assert [result["status"] for result in answer.json()["results"]] == ["rejected", "rejected"]
    assert await stockroom.history() == []


async def test_concurrent_postings_share_transactions(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    await at_once([lambda: stockroom.one(event("add", rice, shelf, 0.001))] * 2500)
    assert await stockroom.total(rice) == 2.5
    assert stockroom.recorder.batches == 3
    await stockroom.check()

"""`/events/stream` inside one process: what it sends, where it resumes, and when it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

import stocky.http.sse
import stocky.live.stream
import stocky.live.tail
from stocky.errors import Unauthorized, Unavailable
from stocky.live.tail import count_settled
from stocky.stock.schemas import StockEvent
from tests.inventory import Json, get, made, new_item, new_location, refused
from tests.live.reading import following


async def _post(client: AsyncClient, item: Json, shelf: Json, count: int = 1, type: str = "add") -> list[int]:
    """Ledger ids of new events."""
    event = {"type": type, "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": 1}
    answer = made(await client.post("/events", json={"events": [event] * count}))
    return [result["id"] for result in answer["results"]]


async def test_event_is_sent_in_the_form_of_the_ledger(app: Litestar, member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    [before] = await _post(member, item, shelf)
    async with following(app) as reader:
        assert (await reader.next("ready")).data == {"position": before}
        [id] = await _post(member, item, shelf)
        message = await reader.next()
        assert message.id == id
        names = {"item_code": item["code"], "item_name": item["name"], "location_name": shelf["name"]}
        names |= {"location_path": shelf["path"], "unit": "piece", "username": "member"}
        assert message.data == await get(member, f"/events/{id}") | names


async def test_every_kind_of_quantity_change_is_sent(app: Litestar, member: AsyncClient) -> None:
    item, shelf, table = await new_item(member), await new_location(member), await new_location(member, "Table")
    async with following(app) as reader:
        await reader.next("ready")
        sku = made(await member.post("/skus/", json={"item_id": item["id"], "location_id": shelf["id"], "quantity": 5}))
        first = await reader.next()
        assert first.data["type"] == "add"
        made(await member.patch(f"/skus/{sku['id']}", json={"quantity": 7}))
        assert (await reader.next()).data["delta"] == 2
        move: Json = {"type": "move", "item": {"id": item["id"]}, "quantity": 1}
        move |= {"location": {"id": shelf["id"]}, "to_location": {"id": table["id"]}}
        made(await member.post("/events", json={"events": [move]}))
        assert [(await reader.next()).data["delta"] for _ in range(2)] == [-1, 1]
        made(await member.post(f"/events/{first.id}/undo"))
        assert (await reader.next()).data["reverses_id"] == first.id


async def test_stream_resumes_after_last_event_id(app: Litestar, member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    ids = await _post(member, item, shelf, 5)
    async with following(app, after=ids[1]) as reader:
        assert (await reader.next("ready")).id == ids[1]
        assert await reader.ids(3) == ids[2:]
        assert await _post(member, item, shelf, 2) == await reader.ids(2)
    async with following(app, after=0) as reader:
        await reader.next("ready")
        assert (await reader.ids(7))[:5] == ids


async def test_client_far_behind_is_served_from_the_ledger(
    app: Litestar, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stocky.live.tail, "RECENT", 10)
    monkeypatch.setattr(stocky.live.tail, "BATCH", 7)
    monkeypatch.setattr(stocky.live.stream, "BATCH", 4)
    item, shelf = await new_item(member), await new_location(member)
    ids = await _post(member, item, shelf, 50)
    async with following(app) as watching, following(app, after=ids[9]) as behind:
        await watching.next("ready")
        ids += await _post(member, item, shelf, 50)
        assert await watching.ids(50) == ids[50:]
        await behind.next("ready")
        assert await behind.ids(90) == ids[10:]


async def test_filters_match_those_of_the_ledger(
    app: Litestar, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stocky.live.tail, "RECENT", 4)
    tea, milk = await new_item(member, "Tea"), await new_item(member, "Milk")
    shelf, door = await new_location(member), await new_location(member, "Door")
    sent: list[tuple[int, Json, Json, str]] = []
    wanted: list[tuple[dict[str, Any], Any]] = [
        ({"item_id": tea["id"]}, lambda each: each[1] is tea),
        ({"location_id": door["id"]}, lambda each: each[2] is door),
        ({"type": "remove"}, lambda each: each[3] == "remove"),
        ({"item_id": milk["id"], "type": "add"}, lambda each: each[1] is milk and each[3] == "add"),
    ]

    async def post_all() -> None:
        for item in (tea, milk):
            for location in (shelf, door):
                for type in ("add", "remove"):
                    [id] = await _post(member, item, location, type=type)
                    sent.append((id, item, location, type))

    await post_all()
    for query, wants in wanted:
        async with following(app, after=0, **query) as reader:
            await reader.next("ready")
            there = [each[0] for each in sent if wants(each)]
            assert await reader.ids(len(there)) == there, query
            known = len(sent)
            await post_all()
            new = [each[0] for each in sent[known:] if wants(each)]
            assert await reader.ids(len(new)) == new, query


async def test_position_beyond_the_ledger_sends_reset(app: Litestar, member: AsyncClient) -> None:
    [id] = await _post(member, await new_item(member), await new_location(member))
    async with following(app, after=id + 1000) as reader:
        assert (await reader.next("reset")).data == {"position": id}


async def test_restore_sends_reset(app: Litestar, member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    ids = await _post(member, item, shelf, 3)
    gate = app.state.database.gate
    async with following(app) as reader:
        await reader.next("ready")
        async with gate.drained():
            gate.data_replaced()
        assert (await reader.next("reset")).data == {"position": ids[-1]}
        assert await _post(member, item, shelf) == await reader.ids(1)


async def test_stream_ends_when_permission_is_lost(
    app: Litestar, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stocky.live.stream, "ADMIT_SECONDS", 0.02)
    answers: list[Exception | None] = [None, Unavailable("The database is away"), None]
    asked = asyncio.Event()

    async def admit() -> None:
        if not answers:
            asked.set()
        elif refusal := answers.pop(0):
            raise refusal

    item, shelf = await new_item(member), await new_location(member)
    async with following(app, admit=admit) as reader:
        await reader.next("ready")
        received = asyncio.create_task(reader.ids(1))
        await asyncio.wait_for(asked.wait(), 5)
        assert await _post(member, item, shelf) == await received
        answers.append(Unauthorized())
        assert await reader.ended()


async def test_heartbeat_is_sent_without_events(
    app: Litestar, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stocky.live.stream, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(stocky.live.stream, "ADMIT_SECONDS", 0.02)
    tea, shelf = await new_item(member), await new_location(member)
    stream = stocky.live.stream.follow_ledger(
        app.state.tail, app.state.streams, stocky.live.stream.EventFilter(item_id=tea["id"] + 1), None, _yes
    )
    assert b"event: ready" in await anext(stream)
    [id] = await _post(member, tea, shelf)
    async with asyncio.timeout(60):
        # No matching event, but the heartbeat has the newest position.
        while f"id: {id}\n".encode() not in (message := await anext(stream)):
            pass
    assert message.startswith(b": still here\n")
    assert b"data" not in message
    await stream.aclose()  # type: ignore[attr-defined]


async def _yes() -> None:
    return None


async def test_stream_ends_when_stocky_stops(app: Litestar) -> None:
    async with following(app) as reader:
        await reader.next("ready")
        app.state.streams.end()
        assert await reader.ended()
    with pytest.raises(Unavailable):
        app.state.streams.admit(1)


@pytest.mark.one_database
async def test_streams_are_limited(
    app: Litestar, reader: AsyncClient, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stocky.http.sse, "MAX_STREAMS", 2)
    async with following(app) as one, following(app) as other:
        await one.next("ready")
        await other.next("ready")
        for client, path in ((reader, "/events/stream"), (admin, "/logs/stream")):
            answer = await client.get(path)
            refused(answer, 503, "2 live streams")
            assert answer.headers["retry-after"] == "30"


@pytest.mark.one_database
async def test_position_must_be_a_number(reader: AsyncClient) -> None:
    for query, headers in (("last_event_id=-1", {}), ("last_event_id=x", {}), ("", {"Last-Event-ID": "x"})):
        refused(await reader.get(f"/events/stream?{query}", headers=headers), 422)


async def test_ledger_is_not_read_without_streams(app: Litestar, member: AsyncClient) -> None:
    tail = app.state.tail
    item, shelf = await new_item(member), await new_location(member)
    async with following(app) as reader:
        await reader.next("ready")
        assert tail.settled == 0
    await _post(member, item, shelf)
    assert tail.settled is None


def _event(id: int) -> StockEvent:
    return StockEvent(id=id, **dict.fromkeys(set(StockEvent.__struct_fields__) - {"id"}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ids", "certain", "count"),
    [([], 0, 0), ([4, 5, 6], 0, 3), ([4, 6], 0, 1), ([5, 6], 0, 0), ([5, 6], 6, 2), ([5, 7, 9], 7, 2), ([9], 9, 1)],
)
def test_events_before_first_open_gap_are_settled(ids: list[int], certain: int, count: int) -> None:
    assert count_settled([_event(id) for id in ids], 3, certain) == count

"""A repeated event is recognised in any notation, whichever version recorded it first."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from httpx import AsyncClient

from stocky.scanner.schemas import Scan
from stocky.shopping.schemas import Purchase
from stocky.stock.fingerprints import fingerprint, has_fingerprint
from stocky.stock.operations import ItemKey, LocationKey, Operation
from stocky.stock.schemas import EventType, ItemReference, LocationReference, NewEvent, NewSku
from tests.inventory import made, new_item, new_location, refused, total
from tests.stock.stockroom import SOMEONE, Stockroom, event

HERE = datetime(2026, 5, 1, 12, 30, tzinfo=timezone(timedelta(hours=2)))
# The fingerprints that earlier versions recorded of these contents.
FORMER: list[tuple[Any, str]] = [
    (
        NewEvent(
            type=EventType.ADD,
            item=ItemReference(id=7),
            quantity=1.5,
            location=LocationReference(id=3),
            lot="2026-09-01",
            event_id="old-event",
            occurred_at=HERE,
            note="",
        ),
        "16c553db34ed769939efd2f71b724049",
    ),
    (
        Scan(
            upc="4006381333931",
            scanner_id="kitchen-1",
            location_hint=3,
            quantity=2,
            event_id="old-scan",
            scanned_at=HERE,
        ),
        "bc7365f27d3e5f111f684b19cbee5e93",
    ),
    (
        ("bought", 4, 7, Purchase(quantity=1.0, event_id="old-purchase", location=LocationReference(name="Shelf"))),
        "4a850af5ed1aa3c57aacc0bd065b04ed",
    ),
    (
        NewSku(item_id=7, location_id=3, quantity=1, unit="kg", event_id="old-sku"),
        "f5ded8eb2b90e62221d3fbf8be21fa5f",
    ),
    ((12, None), "f613b624111e08e1450c9e5a3a7091bc"),
    (("key", "content", 3), "77b739194bfe843c7c19f60516b75e96"),
]


@pytest.mark.parametrize(("content", "recorded"), FORMER)
def test_fingerprint_of_an_earlier_version_matches(content: Any, recorded: str) -> None:
    assert has_fingerprint(content, recorded)
    assert has_fingerprint(content, fingerprint(content))
    assert not has_fingerprint(content, None)


@pytest.mark.parametrize(("content", "recorded"), FORMER)
def test_fingerprint_of_other_content_does_not_match(content: Any, recorded: str) -> None:
    other: Any
    if isinstance(content, tuple):
        other = (*content[:-1], msgspec.structs.replace(content[-1], quantity=2.0)) if recorded[:4] == "4a85" else (13,)
    else:
        other = msgspec.structs.replace(content, quantity=2.5)
    assert not has_fingerprint(other, recorded)
    assert not has_fingerprint(other, fingerprint(content))


def test_new_field_with_its_default_does_not_change_the_fingerprint() -> None:
    class Now(msgspec.Struct, kw_only=True, omit_defaults=True):
        quantity: float
        note: str | None = None

    class Later(msgspec.Struct, kw_only=True, omit_defaults=True):
        colour: str | None = None
        quantity: float
        size: float = 1
        note: str | None = None

    assert fingerprint(Later(quantity=1)) == fingerprint(Now(quantity=1))
    assert fingerprint(Later(quantity=1, colour="red")) != fingerprint(Now(quantity=1))


async def test_same_moment_and_empty_note_are_the_same_content(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    first = await stockroom.one(event("add", rice, shelf, 2, "a", occurred_at=HERE, note=""))
    assert first.status == "applied"
    for same in (
        event("add", rice, shelf, 2, "a", occurred_at=HERE.astimezone(UTC)),
        event("add", rice, shelf, 2, "a", occurred_at=HERE.astimezone(timezone(-timedelta(hours=7))), note=None),
    ):
        again = await stockroom.one(same)
        assert (again.status, again.id) == ("duplicate", first.id)
    other = await stockroom.one(event("add", rice, shelf, 2, "a", occurred_at=HERE.replace(tzinfo=UTC)))
    assert other.status == "rejected"
    assert await stockroom.total(rice) == 2


async def test_repeated_event_of_an_earlier_version_is_a_duplicate(
    stockroom: Stockroom,
) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    sent = event("add", rice, shelf, 2, "a", occurred_at=HERE, note="")
    refusal = event("remove", rice, shelf, 9, "b")
    for each, kind in ((sent, "add"), (refusal, "remove")):
        # As fingerprinted then: all fields, in order, the moment in its own offset.
        written = {
            "type": kind, "item": {"id": rice, "upc": None, "code": None}, "quantity": each.quantity,
            "location": {"id": shelf, "name": None, "box_no": None, "loc_no": None}, "to_location": None, "lot": None,
            "event_id": each.event_id, "occurred_at": each.occurred_at, "note": each.note,
        }  # fmt: skip
        operation = Operation(
            kind=kind,  # type: ignore[arg-type]  # one of the kinds
            item=ItemKey(id=rice),
            location=LocationKey(id=shelf),
            quantity_milli=int(each.quantity * 1000),
            event_id=each.event_id,
            fingerprint=_former(written),
            user_id=SOMEONE.id,
        )
        await stockroom.recorder.record(operation)
    assert (await stockroom.one(sent)).status == "duplicate"
    assert "Only 2" in ((await stockroom.one(refusal)).reason or "")
    assert "other content" in ((await stockroom.one(event("remove", rice, shelf, 8, "b"))).reason or "")
    assert await stockroom.total(rice) == 2


async def test_repeated_purchase_in_another_utc_offset_counts_once(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    a_list = made(await member.post("/shopping-lists/", json={"name": "Weekly"}))
    made(await member.post(f"/shopping-lists/{a_list['id']}/items", json={"item_id": item["id"], "quantity": 5}))
    at = f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought"
    body = {"quantity": 1, "location": {"id": shelf["id"]}, "event_id": "receipt-1"}
    made(await member.post(at, json={**body, "occurred_at": "2026-05-01T12:30:00+02:00", "note": ""}))
    assert made(await member.post(at, json={**body, "occurred_at": "2026-05-01T10:30:00Z"}))["duplicate"]
    refused(await member.post(at, json={**body, "occurred_at": "2026-05-01T10:30:01Z"}), 409, "other content")
    assert await total(member, item) == 1


@pytest.mark.parametrize(
    ("moment", "reason"), [("0001-01-01T00:00:00+14:00", "1970"), ("9999-12-31T23:59:59-14:00", "future")]
)
async def test_time_at_the_ends_of_the_calendar_rejects_only_its_event(
    member: AsyncClient, moment: str, reason: str
) -> None:
    item, shelf = await new_item(member), await new_location(member)
    good = {"type": "add", "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": 1}
    for _ in range(2):
        answer = await member.post(
            "/events", json={"events": [{**good, "event_id": "a", "occurred_at": moment}, {**good, "event_id": "b"}]}
        )
        first, second = made(answer)["results"]
        assert (first["status"], reason in first["reason"]) == ("rejected", True), first
        assert second["status"] in ("applied", "duplicate")
    assert await total(member, item) == 1


def _former(content: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(content), digest_size=16).hexdigest()

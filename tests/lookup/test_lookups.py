"""Look-ups of barcodes: on request, automatically, and for all items without data."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta

import pytest
from httpx import AsyncClient
from litestar import Litestar

from tests.inventory import Json, get, made, new_item, new_location, refused
from tests.lookup.conftest import Answer, Service, answer, until

EAN = "4006381333931"
OTHER = "96385074"


async def scanned(scanner: AsyncClient, member: AsyncClient, *codes: str) -> list[Json]:
    """The items of first scans."""
    location = await new_location(member, f"Shelf of {codes[0]}")
    made(await scanner.put("/scanner/s1/state", json={"location_id": location["id"]}))
    return [made(await scanner.post("/scanner/scan", json={"upc": c, "scanner_id": "s1"}))["item"] for c in codes]


async def until_looked_up(member: AsyncClient, item: Json) -> Json:
    """The item after its look-up."""

    async def attempted() -> Json | None:
        found: Json = await get(member, f"/items/{item['id']}")
        return found if found["uda_fetch_attempted"] else None

    found: Json = await until(attempted)
    return found


async def until_requested(service: Service, count: int) -> None:
    """Waits until the service has had this many requests."""

    async def enough() -> bool:
        return len(service.requests) >= count

    await until(enough)


async def until_ended(admin: AsyncClient) -> Json:
    """The newest job after its end."""

    async def ended() -> Json | None:
        newest: Json = (await get(admin, "/jobs/"))[0]
        return newest if newest["status"] in ("done", "failed") else None

    job: Json = await until(ended)
    return job


async def test_item_is_looked_up_on_request(member: AsyncClient, service: Service) -> None:
    service.knows(
        EAN, product_name="Stift 107/1", brands="Stabilo", nutriments={"energy": 1}, keywords=["a"], quantity=5
    )
    item = await new_item(member, "My pen", upc=EAN, description="blue")
    answered = made(await member.post(f"/items/{item['id']}/refresh-upc"))
    assert service.requests == [f"/api/v2/product/{EAN}"]
    assert (answered["uda_fetched"], answered["uda_fetch_attempted"]) == (True, True)
    assert answered["upc_data"] == {"product_name": "Stift 107/1", "brands": "Stabilo", "quantity": 5}
    assert (answered["name"], answered["description"], answered["version"]) == ("My pen", "blue", 2)
    assert await get(member, f"/items/{item['id']}") == answered


async def test_unknown_product_is_not_an_error(member: AsyncClient, service: Service) -> None:
    item = await new_item(member, upc=EAN)
    service.answers[OTHER] = answer(b'{"status": 0}')
    other = await new_item(member, "Other", upc=OTHER)
    for each in (item, other, item):
        answered = made(await member.post(f"/items/{each['id']}/refresh-upc"))
        assert (answered["uda_fetched"], answered["uda_fetch_attempted"], answered["upc_data"]) == (False, True, None)
        assert answered["version"] == 2
    private = await new_item(member, "Private", barcodes=[{"barcode": "my own"}])
    refused(await member.post(f"/items/{private['id']}/refresh-upc"), 409, "8 to 14 digits")
    refused(await member.post("/items/999/refresh-upc"), 404, "999")
    assert len(service.requests) == 3


async def test_stub_is_named_automatically(
    app: Litestar, member: AsyncClient, scanner: AsyncClient, service: Service
) -> None:
    service.knows(EAN, product_name=" Stift\n107/1 ")
    known, unknown, private = await scanned(scanner, member, EAN, OTHER, "my own")
    assert known["name"] == f"Unknown {EAN}"
    found = await until_looked_up(member, known)
    assert (found["name"], found["needs_review"], found["uda_fetched"]) == ("Stift 107/1", True, True)
    assert found["oversell_policy"] == "allow"
    for other in (unknown, private):
        item = await until_looked_up(member, other)
        assert (item["name"], item["uda_fetched"], item["needs_review"]) == (other["name"], False, True)
    assert sorted(service.requests) == [f"/api/v2/product/{EAN}", f"/api/v2/product/{OTHER}"]
    # A scan returns the name found.
    assert (
        made(await scanner.post("/scanner/scan", json={"upc": EAN, "scanner_id": "s1"}))["item"]["name"]
        == found["name"]
    )


async def test_fields_written_by_a_person_stay(member: AsyncClient, scanner: AsyncClient, service: Service) -> None:
    release = asyncio.Event()

    async def slowly(writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await answer(b'{"name": "Pen", "id": 7}')(writer)

    service.answers[EAN] = service.answers[OTHER] = slowly
    [stub, kept] = await scanned(scanner, member, EAN, OTHER)
    asking = [asyncio.create_task(member.post(f"/items/{each['id']}/refresh-upc")) for each in (stub, kept)]
    await until_requested(service, 2)
    made(await member.patch(f"/items/{stub['id']}", json={"name": "Tante Ernas Stift"}))
    made(await member.patch(f"/items/{kept['id']}", json={"name": "Under review", "needs_review": True}))
    release.set()
    answers = [made(await each) for each in asking]
    assert [each["name"] for each in answers] == ["Tante Ernas Stift", "Under review"]
    assert [each["upc_data"] for each in answers] == [{"name": "Pen"}] * 2


async def test_job_looks_up_all_items_without_data(
    app: Litestar, admin: AsyncClient, member: AsyncClient, service: Service
) -> None:
    service.knows(EAN, product_name="Pen")
    pen = await new_item(member, "Mine", upc=EAN)
    await new_item(member, "Other", upc=OTHER)
    await new_item(member, "None")
    answered = await member.post("/items/refresh-upc-missing")
    assert answered.status_code == 202
    job = await until_ended(admin)
    assert job["id"] == answered.json()["id"]
    assert (job["status"], job["result"]) == ("done", {"asked": 2, "found": 1, "failed": 0})
    assert job["created_by"] == "member"
    assert (await get(member, f"/items/{pen['id']}"))["upc_data"] == {"product_name": "Pen"}


async def drip(writer: asyncio.StreamWriter) -> None:
    """Single bytes, slowly, for longer than the timeout."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n{")
    for _ in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.1)


async def too_much(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n{")
    for _ in range(64):
        writer.write(b" " * 2**20)
        await writer.drain()


async def nothing(writer: asyncio.StreamWriter) -> None:
    """The connection is closed."""


BROKEN: dict[str, tuple[Answer, list[str]]] = {
    "slow": (drip, ["within 1 s", "STOCKY_UPC_SERVICE_TIMEOUT"]),
    "huge": (too_much, ["more than 1 MiB"]),
    "closed": (nothing, ["cannot be reached"]),
    "no http": (lambda writer: _raw(writer, b"SSH-2.0-x\r\n"), ["cannot be reached"]),
    "500": (answer(b"{}", 500), ["status 500"]),
    "429": (answer(b"", 429, "Retry-After: 60"), ["status 429"]),
    "403": (answer(b"", 403), ["status 403"]),
    "html": (answer(b"<html>"), ["not a product"]),
    "nothing": (answer(b""), ["not a product"]),
    "a list": (answer(b"[1]"), ["not a product"]),
    "a text": (answer(b'{"product": "x"}'), ["not a product"]),
    "latin": (answer(b'{"name": "\xff"}'), ["not a product"]),
    "half a character": (answer(b'{"name": "\\ud800"}'), ["not a product"]),
    "deep": (answer(b"[" * 10_000), ["not a product"]),
    "packed": (answer(b"x", 200, "Content-Encoding: gzip"), ["not a product"]),
    "elsewhere": (answer(b"", 302, "Location: http://example.org/"), ["redirects to another host"]),
    "to a file": (answer(b"", 302, "Location: file:///etc/passwd"), ["redirects to another host"]),
    "nowhere": (answer(b"", 301, "Location: http://["), []),
    "in a circle": (answer(b"", 307, f"Location: /api/v2/product/{EAN}"), ["redirects too often"]),
}


async def _raw(writer: asyncio.StreamWriter, text: bytes) -> None:
    writer.write(text)


@pytest.mark.one_database
@pytest.mark.parametrize("kind", BROKEN)
async def test_broken_service_is_reported_and_changes_nothing(member: AsyncClient, service: Service, kind: str) -> None:
    service.answers[EAN], words = BROKEN[kind]
    item = await new_item(member, upc=EAN)
    began = time.monotonic()
    refused(await member.post(f"/items/{item['id']}/refresh-upc"), 503, "look-up service", *words)
    assert time.monotonic() - began < 9
    assert len(service.requests) <= 4
    assert await get(member, f"/items/{item['id']}") == item
    service.knows(EAN, product_name="Pen")
    assert made(await member.post(f"/items/{item['id']}/refresh-upc"))["uda_fetched"] is True


@pytest.mark.one_database
async def test_unreadable_certificates_are_named(
    member: AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    service.knows(EAN, product_name="Pen")
    item = await new_item(member, upc=EAN)
    refused(await member.post(f"/items/{item['id']}/refresh-upc"), 503, "was not asked", "check SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_FILE")
    assert made(await member.post(f"/items/{item['id']}/refresh-upc"))["uda_fetched"] is True


@pytest.mark.one_database
async def test_redirect_within_the_host_is_followed(member: AsyncClient, service: Service) -> None:
    service.answers[EAN] = answer(b"", 301, "Location: /other/00")
    service.answers["00"] = answer(json.dumps({"product": {"product_name": "Pen", "code": "x" * 900}}).encode())
    item = await new_item(member, upc=EAN)
    answered = made(await member.post(f"/items/{item['id']}/refresh-upc"))
    assert answered["upc_data"] == {"product_name": "Pen", "code": "x" * 500}


@pytest.mark.one_database
async def test_product_without_a_name_does_not_rename_a_stub(
    member: AsyncClient, scanner: AsyncClient, service: Service
) -> None:
    service.answers[EAN] = answer(b'{"status": 1, "product": {"product_name": "\\u0000 ", "brands": "Stabilo"}}')
    [stub] = await scanned(scanner, member, EAN)
    found = await until_looked_up(member, stub)
    assert (found["name"], found["upc_data"]) == (stub["name"], {"brands": "Stabilo"})
    service.knows(EAN, product_name="x" * 300)
    assert made(await member.post(f"/items/{stub['id']}/refresh-upc"))["name"] == "x" * 200


async def test_stubs_are_retried_while_the_service_is_unavailable(
    app: Litestar,
    admin: AsyncClient,
    member: AsyncClient,
    scanner: AsyncClient,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stocky.jobs.kinds.LONGEST_DELAY", timedelta(seconds=0.2))
    service.answers[EAN] = answer(b"", 503)
    service.knows(OTHER, product_name="Bar")
    [stub, other] = await scanned(scanner, member, EAN, OTHER)
    # A failure on one stub does not block the others.
    assert (await until_looked_up(member, other))["name"] == "Bar"
    assert (await get(member, f"/items/{stub['id']}"))["uda_fetch_attempted"] is False
    service.knows(EAN, product_name="Pen")
    assert (await until_looked_up(member, stub))["name"] == "Pen"
    job = await until_ended(admin)
    assert (job["kind"], job["status"], job["created_by"]) == ("lookup.stubs", "done", None)
    assert [each["status"] for each in await get(admin, "/jobs/")].count("failed") == 0


async def test_stubs_that_always_fail_do_not_stop_the_look_up_of_others(
    app: Litestar, member: AsyncClient, scanner: AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.jobs.kinds.LONGEST_DELAY", timedelta(seconds=0.5))
    failing = ["20000001", "20000002", "20000003", "20000004"]
    service.answers |= dict.fromkeys(failing, answer(b"", 503))
    service.knows(OTHER, product_name="Bar")
    stubs = await scanned(scanner, member, *failing, OTHER)
    assert (await until_looked_up(member, stubs[-1]))["name"] == "Bar"
    assert (await get(member, f"/items/{stubs[0]['id']}"))["uda_fetch_attempted"] is False
    service.answers |= dict.fromkeys(failing, answer(b'{"name": "Pen"}'))
    assert {(await until_looked_up(member, stub))["name"] for stub in stubs[:-1]} == {"Pen"}


async def test_unusable_answers_count_as_none_while_the_service_answers_for_others(
    app: Litestar,
    admin: AsyncClient,
    member: AsyncClient,
    scanner: AsyncClient,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stocky.jobs.kinds.LONGEST_DELAY", timedelta(seconds=0.5))
    unusable = {
        "20000001": answer(b"<html>"),
        "20000002": answer(b"", 403),
        "20000003": answer(b"", 302, "Location: http://example.org/"),
    }
    service.answers |= unusable | {OTHER: answer(b"<html>")}
    stubs = await scanned(scanner, member, *unusable, OTHER)
    # It may be the service that is at fault: it gives no usable answer.
    await until_requested(service, 6)
    assert {(await get(member, f"/items/{each['id']}"))["uda_fetch_attempted"] for each in stubs} == {False}
    service.knows(OTHER, product_name="Bar")
    assert (await until_looked_up(member, stubs[-1]))["name"] == "Bar"
    for stub in stubs[:-1]:
        assert (await until_looked_up(member, stub))["uda_fetched"] is False
    assert (await until_ended(admin))["status"] == "done"


async def test_cancelled_look_up_of_stubs_is_not_queued_again_on_that_day(
    app: Litestar, admin: AsyncClient, member: AsyncClient, scanner: AsyncClient, service: Service
) -> None:
    # The job waits.
    await app.state.jobs.close()
    await scanned(scanner, member, EAN)
    await app.state.lookups._enqueue_stubs()
    (job,) = await get(admin, "/jobs/", kind="lookup.stubs")
    assert (await admin.post(f"/jobs/{job['id']}/cancel")).status_code == 202
    await scanned(scanner, member, OTHER)
    await app.state.lookups._enqueue_stubs()
    assert [each["status"] for each in await get(admin, "/jobs/", kind="lookup.stubs")] == ["cancelled"]


async def test_scans_do_not_wait_for_the_service(
    app: Litestar, member: AsyncClient, scanner: AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.jobs.kinds.LONGEST_DELAY", timedelta(seconds=0.2))
    release = asyncio.Event()

    async def at_last(writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await answer(b'{"name": "Pen"}')(writer)

    service.answers[EAN] = at_last
    [stub] = await scanned(scanner, member, EAN)
    await until_requested(service, 1)
    # The service has not answered, but all scans are answered.
    for count in range(2, 5):
        counted = made(await scanner.post("/scanner/scan", json={"upc": EAN, "scanner_id": "s1"}))
        assert (counted["item"]["name"], counted["item"]["total_quantity"]) == (stub["name"], count)
    release.set()
    assert (await until_looked_up(member, stub))["name"] == "Pen"

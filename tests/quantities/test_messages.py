"""Messages name quantities with all their digits."""

from __future__ import annotations

from httpx import AsyncClient

from tests.inventory import get, made, new_item, new_location, new_stock, refused
from tests.projects.plans import new_project

MANY = 1_234_567.891
UPC = "4006381333931"


async def test_scanner_and_alert_name_the_whole_quantity(scanner: AsyncClient, member: AsyncClient) -> None:
    shelf = await new_location(member)
    await new_item(member, upc=UPC, min_quantity=MANY)
    for mode, message in (("count", "counted 1234567.891"), ("add", "1234567.891 added, 2469135.782 in stock")):
        made(await scanner.put("/scanner/s1/state", json={"mode": mode, "location_id": shelf["id"]}))
        answer = made(await scanner.post("/scanner/scan", json={"upc": UPC, "scanner_id": "s1", "quantity": MANY}))
        assert message in answer["message"]
        if mode == "count":
            [alert] = await get(member, "/alerts/")
            assert alert["message"].endswith("its minimum of 1234567.891")


async def test_refusals_name_the_whole_quantity(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    person = await new_location(member, "Anna", kind="person")
    sku = await new_stock(member, item, shelf, MANY)
    [loan] = made(
        await member.post("/loans/", json={"sku_id": sku["id"], "person_id": person["id"], "quantity": 1_000_001})
    )["loans"]
    answer = await member.post(f"/loans/{loan['id']}/return", json={"quantity": 1_000_002.5})
    refused(answer, 409, "Only 1000001 of this loan", "1000002.5 cannot be returned")
    project = await new_project(member, (item, 2_345_678.5))
    answer = await member.post(f"/projects/{project['id']}/withdraw", json={})
    refused(answer, 409, "2111111.609 of ")

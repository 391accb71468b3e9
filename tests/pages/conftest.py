"""Browsers without script: clients with cookies, signed in by the form, for each role."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response
from litestar import Litestar

from stocky.backup.store import found_id
from tests.conftest import ORIGIN
from tests.inventory import made, new_item, new_location, new_stock
from tests.people import PASSWORD

# Webhooks go to this machine, and so would mail.
ANYWHERE = {
    "STOCKY_WEBHOOKS_TO_PRIVATE": "true",
    "STOCKY_SMTP_HOST": "127.0.0.1",
    "STOCKY_SMTP_PORT": "9",
    "STOCKY_SMTP_FROM": "stocky@example.org",
}
ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TOKEN = re.compile(r'name="csrf" content="([\w-]+)"')


class Browser(AsyncClient):
    """A client that sends what browsers send, and has the token of the page that it got last."""

    def __init__(self, app: Litestar, base_path: str = "") -> None:
        transport = ASGITransport(app=app, raise_app_exceptions=False)
        super().__init__(transport=transport, base_url=f"{ORIGIN}{base_path}", headers={"Accept": ACCEPT})
        self.csrf = ""

    async def show(self, path: str, **more: Any) -> Response:
        """Gets a page, which must be there."""
        answer = await self.get(path, **more)
        assert answer.status_code == 200, (path, answer.status_code, answer.headers.get("location"), answer.text)
        self.take_token(answer)
        return answer

    def take_token(self, answer: Response) -> None:
        """Takes over the token of a page, if it has one."""
        if found := TOKEN.search(answer.text):
            self.csrf = found[1]

    async def submit(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> Response:
        """Sends a form of the page that it got last, as a browser does."""
        headers = {"Origin": ORIGIN, **more.pop("headers", {})}
        return await self.post(path, data={"csrf": self.csrf, **(fields or {})}, headers=headers, **more)

    async def sign_in(self, username: str, password: str = PASSWORD, **more: Any) -> Response:
        """Signs in by the form, and takes the token of the first page."""
        answer = await self.submit("/sign-in", {"username": username, "password": password, **more})
        assert answer.status_code == 303, answer.text
        self.take_token(await self.get("/me"))
        return answer


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """Webhooks and mail may be sent to this machine, where nobody takes them."""
    return environ | ANYWHERE


@pytest.fixture
async def browser(app: Litestar) -> AsyncIterator[Browser]:
    """A browser that is not signed in."""
    async with Browser(app) as browser:
        yield browser


@pytest.fixture
async def browse(app: Litestar) -> AsyncIterator[Callable[[str], Awaitable[Browser]]]:
    """`await browse("member")` is another browser, signed in."""
    browsers: list[Browser] = []

    async def browse(username: str) -> Browser:
        browser = Browser(app)
        browsers.append(browser)
        await browser.sign_in(username)
        return browser

    yield browse
    for browser in browsers:
        await browser.aclose()


# What stands for the parameters of addresses; `samples` makes what they name.
SAMPLES: dict[str, object] = {"sign_in_id": "none", "prefix": "28"}
# A file in the backup directory, which need not be a backup to be listed.
FOUND = "copied-here.sql.gz"


def _copy_here(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / FOUND).write_bytes(gzip.compress(b"-- not a backup"))


@pytest.fixture
async def samples(app: Litestar, admin: AsyncClient, member: AsyncClient) -> dict[str, object]:
    """What the addresses of pages are tried with."""
    return await make_samples(admin, member, app.state.config.backup_dir)


async def make_samples(admin: AsyncClient, member: AsyncClient, backup_dir: Path) -> dict[str, object]:
    """One of everything, with the id 1, and stock with a history: what the addresses of pages are tried with."""
    item = await new_item(admin, "Coffee", upc="4006381333931", min_quantity=10, tags=["breakfast"])
    shelf = await new_location(admin)
    sku = await new_stock(admin, item, shelf, 5, expiry_date="2026-01-31", unit_price=2.49)
    made(await admin.post("/boxes/", json={"capacity": 2}))
    made(await admin.post("/types/", json={"name": "Food"}))
    made(await admin.post("/types/1/fields", json={"name": "Grade", "kind": "choice", "choices": ["A", "B"]}))
    made(await admin.post(f"/skus/{sku['id']}/adjust", json={"delta": -1}))
    made(await admin.put("/scanner/s1/state", json={"mode": "add", "location_id": shelf["id"]}))
    made(await admin.post("/scanner/scan", json={"upc": "5901234123457", "scanner_id": "s1", "event_id": "e1"}))
    a_list = made(await admin.post("/shopping-lists/", json={"name": "Weekly", "is_public": True}))
    made(await admin.post(f"/shopping-lists/{a_list['id']}/items", json={"text": "Napkins"}))
    made(await admin.post(f"/shopping-lists/{a_list['id']}/items", json={"item_id": item["id"]}))
    made(await admin.post("/projects/", json={"name": "Cake", "items": [{"item_id": item["id"], "quantity": 7}]}))
    made(await admin.post("/documents/links", json={"item_id": item["id"], "url": "https://example.org/coffee.pdf"}))
    assert (await admin.post("/reorg/plans", json={})).status_code == 202
    assert (item["id"], shelf["id"], sku["id"], a_list["id"]) == (1, 1, 1, 1)
    other = await new_item(admin, "Cups")
    event = {"type": "add", "item": {"id": other["id"]}, "location": {"id": shelf["id"]}, "quantity": 1}
    booked = made(await admin.post("/events/", json={"events": [event, event]}))
    table = {"file": ("items.csv", b"name,quantity,location\nTea,3,Shelf\n,,\nSugar,x,Shelf\n")}
    # A member's, which an admin sees as well.
    started = (await member.post("/imports/", files=table, data={"dry_run": "true"})).json()
    rule = {"prefix": "28", "item_digits": 5, "measure": "weight", "measure_digits": 5, "divisor": 1000}
    made(await admin.patch("/settings/", json={"expiring_soon_days": 8, "measure_rules": [rule]}))
    made(await admin.post("/webhooks/", json={"url": "http://127.0.0.1:9/hook", "event_types": ["alert.raised"]}))
    assert (await admin.post("/webhooks/1/test")).status_code == 202
    channel = {"name": "Phone of Anna", "recipients": ["anna@example.org"], "at_once": [], "daily": []}
    made(await admin.post("/notices/channels", json=channel))
    anna = await new_location(admin, "Anna", kind="person")
    lent = {"item_id": other["id"], "person_id": anna["id"], "quantity": 1, "due_on": "2026-01-31"}
    made(await admin.post("/loans/", json=lent))
    await asyncio.to_thread(_copy_here, backup_dir)
    return {
        **SAMPLES,
        "code": item["code"],
        "text": "s1",
        "batch_id": booked["batch_id"],
        "import_job_id": started["job_id"],
        "backup_id": found_id(FOUND),
    }

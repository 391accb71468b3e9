"""Safari's engine runs the pages: sign in, find, book and undo, scan, and scan on without a server."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests import webkit
from tests.browsers import environ, make_demo, served
from tests.people import PASSWORD
from tests.serving import serve

pytestmark = pytest.mark.skipif(webkit.MISSING is not None, reason=webkit.MISSING or "")

BARCODE = "2950000000024"


def test_member_finds_books_and_scans(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    make_demo(tmp_path / "demo")
    with served(tmp_path / "demo", tmp_path / "site") as site, webkit.webkit(tmp_path) as page:
        signed_in = httpx.post(f"{site.api}/auth/login-json", json={"username": "member", "password": PASSWORD})
        headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
        with httpx.Client(base_url=site.api, headers=headers) as api:
            item = api.post("/items/", json={"name": "Storied sencha", "barcodes": [{"barcode": BARCODE}]}).json()["id"]
            location = api.post("/locations/", json={"name": "Storied rack"}).json()["id"]
            api.post("/skus/", json={"item_id": item, "location_id": location, "quantity": 2}).raise_for_status()

            def deltas() -> list[float]:
                return [each["delta"] for each in api.get(f"/items/{item}/events").json()["events"]]

            page.go(f"{site.url}/sign-in")
            page.type("input[name=username]", "member")
            page.type("input[name=password]", PASSWORD)
            page.click("main button[type=submit]")
            page.wait(lambda: "/sign-in" not in page.run("return location.pathname"), "signed in")

            # Search as one types, with an error.
            page.go(f"{site.url}/items")
            page.type("#q", "storied senca")
            page.wait(lambda: "Storied sencha" in page.text("[data-fragment=results]"), "the item in the results")

            page.go(f"{site.url}/items/{item}")
            page.click(".stepper button[aria-label^=Add]")
            page.wait(lambda: page.text(".stepper > a b") == "3", "one more")
            assert deltas() == [1, 2]

            page.go(f"{site.url}/scan")
            page.wait_for("#scan-form[data-ready]")
            for number in (1, 2):
                page.type("#scan-form input[name=code]", BARCODE + webkit.ENTER)
                page.wait(lambda: len(deltas()) == 2 + number, "the scan")  # noqa: B023 - called within the loop
            page.wait_for("#session .sign[data-mode=add]")

            # Kept on the device while the server is gone.
            port = int(site.url.rpartition(":")[2])
            site.stop()
            page.type("#scan-form input[name=code]", BARCODE + webkit.ENTER)
            page.wait(lambda: page.run("return !document.querySelector('#waiting').hidden"), "the scan that waits")
        with serve(environ(tmp_path / "site"), tmp_path / "site", port=port) as again:
            with httpx.Client(base_url=again.api, headers=headers) as api:
                page.wait(lambda: len(api.get(f"/items/{item}/events").json()["events"]) == 5, "the scan, sent later")
                total = api.get(f"/items/{item}").json()["total_quantity"]
            assert total == 6
            page.wait(lambda: page.run("return document.querySelector('#waiting').hidden"), "nothing that waits")

"""Settings, jobs, webhooks, the log and the audit trail, without script."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar
from msgspec import Struct

import stocky
from stocky import clock
from stocky.boxes.schemas import BoxChange
from stocky.catalogue.schemas import Barcode
from stocky.config import Config
from stocky.db import Database, Lane
from stocky.db.postgres import CONNECTIONS
from stocky.db.sqlite import READERS
from stocky.errors import Unavailable
from stocky.imports.schemas import Written
from stocky.jobs.jobs import Jobs
from stocky.jobs.kinds import KINDS, JobKind
from stocky.jobs.schemas import JobPriority
from stocky.labels.schemas import NewSheet
from stocky.logs import audit
from stocky.notices.schemas import NoticeChannelChange
from stocky.pages import audit_words
from stocky.prices.schemas import PriceChange
from stocky.progress import ProgressCallback
from stocky.projects.schemas import ProjectChange
from stocky.settings.schemas import Settings
from stocky.webhooks.schemas import NewWebhook
from tests.architecture import schema
from tests.backup.dumps import finished
from tests.imports.importing import imported
from tests.inventory import Json, get, made, new_item, new_location
from tests.pages.conftest import Browser
from tests.pages.markup import Page
from tests.webhooks.receiving import deliveries, receiving, until_so

PACKAGE = Path(stocky.__file__).parent
Browse = Callable[[str], Awaitable[Browser]]
SETTINGS = {
    "backup_schedule_enabled": "true",
    "backup_schedule_time": "02:30",
    "backup_schedule_kind": "sql",
    "backup_keep": "3",
    "backup_incremental": "true",
    "backup_base_days": "5",
    "expiring_soon_days": "10",
    "emptied_days": "30",
    "currency": "CHF",
}


async def test_import_of_an_older_version_has_its_page(browse: Browse, admin: AsyncClient, config: Config) -> None:
    report = await imported(admin, "name,location,quantity\nTea,Shelf,1\n")
    job_id = report.pop("job_id")
    for added_since in ("skipped", "repaired"):
        del report[added_since]
    await schema.run_beside(config, f"UPDATE job SET result = '{json.dumps(report)}' WHERE id = {job_id}")
    page = await (await browse("admin")).show(f"/import/{job_id}")
    assert "1 row is imported" in page.text


async def test_settings(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("admin")
    page = await browser.show("/settings")
    assert await browser.submit("/settings", SETTINGS)
    saved = await get(admin, "/settings/")
    assert saved["timezone"] in page.text
    assert {name: saved[name] for name in SETTINGS} == {
        **SETTINGS,
        "backup_schedule_enabled": True,
        "backup_keep": 3,
        "backup_incremental": True,
        "backup_base_days": 5,
        "expiring_soon_days": 10,
        "emptied_days": 30,
    }
    backups = (await browser.show("/backups")).text
    assert "At 02:30" in backups
    assert "all of them again after 5 days" in backups
    off = {name: value for name, value in SETTINGS.items() if name != "backup_schedule_enabled"}
    assert (await browser.submit("/settings", off)).status_code == 303
    assert (await get(admin, "/settings/"))["backup_schedule_enabled"] is False


async def test_settings_take_one_connection_of_their_lane(app: Litestar, browse: Browse) -> None:
    browser = await browse("admin")
    database: Database = app.state.database
    async with AsyncExitStack() as others:
        sizes = READERS if database.dialect == "sqlite" else CONNECTIONS
        for _ in range(sizes[Lane.SHORT] - 1):
            await others.enter_async_context(database.read())
        await browser.show("/settings")


async def test_wrong_settings(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("admin")
    await browser.show("/settings")
    before = await get(admin, "/settings/")
    answer = await browser.submit(
        "/settings", SETTINGS | {"backup_keep": "0", "backup_schedule_time": "25:00", "currency": "euro"}
    )
    assert answer.status_code == 422
    page = Page(answer.text)
    assert page.faults == []
    assert "must be at least 1" in answer.text
    assert "must be a code of three capital letters" in answer.text
    assert 'value="25:00"' in answer.text, "what was typed is kept"
    assert await get(admin, "/settings/") == before


async def test_jobs(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("admin")
    assert (await browser.show("/jobs")).status_code == 200
    assert (await admin.patch("/settings/", json={"expiring_soon_days": 9})).status_code == 200
    (job,) = await get(admin, "/jobs/?kind=alerts.look&limit=1")
    await finished(admin, job["id"])
    page = await browser.show("/jobs?status=done&kind=alerts.look")
    assert "Check for alerts" in page.text
    assert "No such jobs" in (await browser.show("/jobs?status=failed")).text
    (link, *_rest) = re.findall(r'href="(/jobs/\d+)"', page.text)
    assert "Check for alerts" in (await browser.show(link)).text
    assert (await browser.get("/jobs/99999")).status_code == 404


async def test_job_is_cancelled_run_again_and_dismissed(
    browse: Browse, app: Litestar, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        raise Unavailable("The disk is away")

    monkeypatch.setitem(KINDS, "alerts.loans", JobKind(repeats=True, priority=JobPriority.LOW))
    browser = await browse("admin")
    jobs: Jobs = app.state.jobs
    waiting = await jobs.enqueue("nobody's", {})
    page = await browser.show("/jobs")
    assert "Waits for its turn" in page.text
    assert "Priority" in (await browser.show(f"/jobs/{waiting}")).text
    question = await browser.show(f"/jobs/{waiting}/cancel")
    assert Page(question.text).faults == []
    assert (await get(admin, f"/jobs/{waiting}"))["status"] == "queued"
    answer = await browser.submit(f"/jobs/{waiting}/cancel")
    assert answer.headers["location"] == f"/jobs/{waiting}?done=cancelled"
    page = await browser.show(answer.headers["location"])
    assert Page(page.text).faults == []
    assert "cancelled by admin" in page.text
    assert "/cancel" not in page.text
    assert (await browser.submit(f"/jobs/{waiting}/cancel")).status_code == 409

    jobs.register("alerts.loans", work)
    failed = await jobs.enqueue("alerts.loans", {})
    assert failed is not None
    assert (await finished(admin, failed))["status"] == "failed"
    page = await browser.show("/jobs?status=failed&kind=alerts.loans")
    assert Page(page.text).faults == []
    for action in ("retry", "dismiss"):
        assert f'action="/jobs/{failed}/{action}"' in page.text
    await browser.submit("/me/language", {"language": "de"})
    for path in ("/jobs", f"/jobs/{failed}"):
        assert "Abhaken" in (await browser.show(path)).text
    await browser.submit("/me/language", {"language": "en"})
    assert (await browser.submit(f"/jobs/{failed}/retry")).status_code == 303
    await finished(admin, failed)
    assert (await browser.submit(f"/jobs/{failed}/dismiss")).status_code == 303
    page = await browser.show(f"/jobs/{failed}")
    assert "Dismissed" in page.text
    assert f'action="/jobs/{failed}/dismiss"' not in page.text
    assert "ran again" in (await browser.show("/audit?subject=job")).text
    assert "Check for overdue loans" in (await browser.show("/jobs?kind=")).text


async def test_error_of_a_delivery_is_in_german(browse: Browse, admin: AsyncClient) -> None:
    # Nobody is at this port.
    wanted = {"url": "http://127.0.0.1:9/hook", "event_types": ["alert.raised"]}
    hook = made(await admin.post("/webhooks/", json=wanted))
    assert (await admin.post(f"/webhooks/{hook['id']}/test")).status_code == 202

    async def failed() -> Json | None:
        [delivery] = await deliveries(admin, hook)
        return delivery if delivery["error"] else None

    delivery = await until_so(failed)
    assert delivery["error"] == "cannot be reached (ConnectError)"
    browser = await browse("admin")
    await browser.submit("/me/language", {"language": "de"})
    for path in (f"/hooks/{hook['id']}", f"/hooks/{hook['id']}/deliveries/{delivery['id']}"):
        assert "Der Empfänger ist nicht erreichbar (ConnectError)" in (await browser.show(path)).text, path


async def test_webhook(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("admin")
    assert "No webhooks yet" in (await browser.show("/hooks")).text
    answer = await browser.submit("/hooks/new", {"url": "nonsense", "description": "Hall"})
    assert answer.status_code == 422
    assert 'value="Hall"' in answer.text
    assert len(re.findall(r'class="error"', answer.text)) >= 1

    async with receiving() as receiver:
        fields = {"url": receiver.url, "description": "Hall", "event_types": ["alert.raised", "stock.recorded"]}
        answer = await browser.submit("/hooks/new", fields)
        assert answer.status_code == 200, answer.text
        secret = re.search(r"whsec_[\w+/=]+", answer.text)
        assert secret is not None
        (hook,) = await get(admin, "/webhooks/")
        path = f"/hooks/{hook['id']}"
        assert secret[0] not in (await browser.show(path)).text, "shown once"

        answer = await browser.submit(f"{path}/test")
        assert answer.status_code == 303
        delivery = answer.headers["location"]
        async with asyncio.timeout(20):
            while True:
                page = await browser.show(delivery)
                if "Delivered; the receiver answered" in page.text:
                    break
                await asyncio.sleep(0.05)
        assert '"ping"' in page.text.replace("&#34;", '"')
        assert (await browser.submit(f"{delivery}/send")).status_code == 303
        assert "Test" in (await browser.show(path)).text

        answer = await browser.submit(f"{path}/secret")
        assert "The previous one also signs the messages" in answer.text
        assert secret[0] not in answer.text
        changed = {"url": receiver.url, "description": "Door", "event_types": "backup.failed"}
        assert (await browser.submit(path, changed)).status_code == 303
        (hook,) = await get(admin, "/webhooks/")
        assert (hook["description"], hook["event_types"], hook["is_active"]) == ("Door", ["backup.failed"], False)
        assert "This webhook is off" in (await browser.show(path)).text
        assert (await browser.submit(f"{path}/test")).status_code == 409
        for url in (" ", "ftp://x"):
            answer = await browser.submit(path, changed | {"url": url, "is_active": "true"})
            assert answer.status_code == 422, url
        assert 'value="ftp://x"' in answer.text
    assert (await browser.submit(f"{path}/delete")).status_code == 303
    assert await get(admin, "/webhooks/") == []


async def test_log(app: Litestar, browse: Browse) -> None:
    log = logging.Logger("stocky.tests")
    log.addHandler(app.state.memory_log)
    for number in range(60):
        log.warning("Number %d of <many>", number)
    browser = await browse("admin")
    page = await browser.show("/log?severity=warning&module=stocky.tests")
    assert "Number 59 of &lt;many&gt;" in page.text
    assert "Number 9 of" not in page.text
    assert "/api/v1/log/stream?severity=warning&amp;module=stocky.tests" in page.text
    page = await browser.show("/log?severity=warning&module=stocky.tests&skip=50")
    assert "Number 9 of" in page.text
    assert "/api/v1/log/stream" not in page.text
    assert "/api/v1/log/stream" not in (await browser.show("/log?live=off")).text
    assert "Nothing in the log" in (await browser.show("/log?search=nothing+like+it")).text
    assert (await browser.get("/log?severity=loud")).status_code in (400, 422)


def test_every_audited_action_and_subject_has_words() -> None:
    source = "\n".join(file.read_text() for file in PACKAGE.rglob("*.py"))
    recorded = re.findall(r'audit\.record\(\w+, [\w.]+, "([a-z ]+)", "(\w+)"', source)
    assert len(recorded) > 25
    for action, subject in recorded:
        assert action in audit_words.ACTIONS
        assert subject in audit_words.SUBJECTS


async def test_audit_says_details_in_words(browse: Browse, admin: AsyncClient) -> None:
    item = await new_item(admin, "Coffee")
    change = {"needs_review": False, "min_quantity": 2, "reorder_quantity": 2.5, "description": ""}
    change["tags"] = ["breakfast", "hot"]
    made(await admin.patch(f"/items/{item['id']}", json=change))
    browser = await browse("admin")
    german = {"Accept-Language": "de"}
    page = await browser.show(f"/audit?subject=item&subject_id={item['id']}&action=changed", headers=german)
    [record] = re.findall(r'class="record-text">(.*?)</td>', page.text)
    assert sorted(re.sub(r"<[^>]+>", "", record).split(" · ")) == [
        "Beschreibung –",
        "Gekauft wird ein Vielfaches von 2,5",
        "Mindestbestand 2",
        "Noch ohne Namen nein",
        "Schlagwörter breakfast, hot",
    ]
    made(await admin.patch("/settings", json={"emptied_days": 30}))
    page = await browser.show("/audit?subject=settings", headers=german)
    [record] = re.findall(r'class="record-text">(.*?)</td>', page.text)
    assert re.sub(r"<[^>]+>", "", record) == "Länger leer als 30 Tage"


async def test_audit_names_items_and_locations_that_changed(browse: Browse, admin: AsyncClient) -> None:
    item, around = await new_item(admin, "Coffee & milk"), await new_location(admin, "Cellar")
    shelf = await new_location(admin, "Shelf", parent_id=around["id"])
    made(await admin.patch(f"/items/{item['id']}", json={"min_quantity": 2}))
    made(await admin.patch(f"/locations/{shelf['id']}", json={"description": "dry"}))
    browser = await browse("admin")
    page = await browser.show("/audit?action=changed")
    assert f'<a href="/items/{item["id"]}">Coffee &amp; milk</a>' in page.text
    assert f'<a href="/locations/{shelf["id"]}">Cellar / Shelf</a>' in page.text
    link = f"/audit?subject=item&amp;subject_id={item['id']}"
    assert link in (await browser.show(f"/items/{item['id']}/history")).text
    assert link not in (await (await browse("member")).show(f"/items/{item['id']}/history")).text


async def test_audit_names_locations_and_people(browse: Browse, admin: AsyncClient) -> None:
    shelf = await new_location(admin, "Cellar & shelf")
    me = await get(admin, "/auth/me")
    made(await admin.put("/scanner/s1/state", json={"location_id": shelf["id"]}))
    made(await admin.post("/scanner/associate", json={"scanner_id": "s1", "user_id": me["id"]}))
    page = await (await browse("admin")).show("/audit?subject=scanner")
    records = [re.sub(r"<[^>]+>", "", each) for each in re.findall(r'class="record-text">(.*?)</td>', page.text)]
    assert records == ["Person admin", "Mode Add · Location Cellar &amp; shelf"]


async def test_audit_of_a_merge_links_to_the_other_item(browse: Browse, admin: AsyncClient) -> None:
    item, other = await new_item(admin, "Coffee beans"), await new_item(admin, "Coffee & milk")
    made(await admin.post(f"/items/{item['id']}/merge", json={"into": other["id"]}))
    page = await (await browse("admin")).show("/audit?action=merged")
    [details] = re.findall(r'class="record-text">(.*?)</td>', page.text)
    assert f'<a href="/items/{other["id"]}">Coffee &amp; milk</a>' in details
    assert re.sub(r"<[^>]+>", "", details) == "Into Coffee &amp; milk"


async def test_audit_shows_sizes_amounts_and_days_with_their_units(
    app: Litestar, browse: Browse, admin: AsyncClient
) -> None:
    item = await new_item(admin, "Flour", shelf_life_days=30, default_storage_type="refrigerator")
    made(await admin.patch(f"/items/{item['id']}", json={"shelf_life_days": 1, "default_storage_type": "freezer"}))
    entries: list[tuple[str, str, Json]] = [
        ("fetched", "backup", {"size_bytes": 1_400_000}),
        ("changed", "project", {"changed": {"item_id": item["id"], "quantity": 500, "unit": "g"}}),
        ("created", "label_sheet", {"label_width": 70}),
        ("dismissed", "job", {"kind": "backup.verify"}),
        ("created", "item_field", {"kind": "choice"}),
    ]
    async with app.state.database.transaction() as tx:
        for action, subject, details in entries:
            await audit.record(tx, 1, action, subject, 7, details)
    page = await (await browse("admin")).show("/audit")
    shown = re.findall(r'class="record-text">(.*?)</td>', page.text)
    assert f'<a href="/items/{item["id"]}">Flour</a>' in shown[3]
    assert [re.sub(r"<[^>]+>", "", each) for each in shown[:6]] == [
        "Kind One of several",
        "Kind Test-restore",
        "Label, width 70 mm",
        "Changed Item Flour, Amount 500 g",
        "Size 1.4 MB",
        "Kept in Freezer · Keeps 1 day",
    ]


def test_audit_links_only_to_batches_that_have_events() -> None:
    for events, labels in ((0, ["Changes of stock"]), (2, ["Batch", "Changes of stock"])):
        details = {"batch_id": "b-1", "left": [], "stock_events": events}
        entry = audit.AuditEntry(
            id=1,
            occurred_at=datetime(2026, 12, 1, tzinfo=UTC),
            user_id=1,
            action="imported",
            subject="import",
            subject_id="i-1",
            details=details,
            request_id=None,
        )
        shown = audit_words.describe(entry, {}).details
        assert [str(each.label) for each in shown] == labels
    assert [(str(part.text), part.path) for part in shown[0].parts] == [("All bookings", "/activity/batches/b-1")]


@pytest.mark.parametrize(
    ("path", "new", "subject", "page", "name"),
    [
        ("/notices/channels", {"name": "Phone", "url": "ntfy://ntfy.sh/x"}, "notice_channel", "/notices", "Phone"),
        ("/projects", {"name": "Lamp", "items": []}, "project", "/projects", "Lamp"),
        ("/types", {"name": "Lamps"}, "item_type", "/vocabulary/types", "Lamps"),
        (
            "/webhooks",
            {"url": "https://a.example/", "event_types": ["stock.recorded"]},
            "webhook",
            "/hooks",
            "a.example",
        ),
    ],
)
async def test_audit_links_to_nothing_that_is_gone(
    app: Litestar, browse: Browse, admin: AsyncClient, path: str, new: Json, subject: str, page: str, name: str
) -> None:
    id = made(await admin.post(path, json=new))["id"]
    async with app.state.database.transaction() as tx:
        await audit.record(tx, 1, "set", subject, id, {})
    browser = await browse("admin")
    assert f'<a href="{page}/{id}">{name}</a>' in (await browser.show("/audit?action=set")).text
    assert (await admin.delete(f"{path}/{id}")).status_code in (200, 204)
    assert f'href="{page}/{id}"' not in (await browser.show("/audit")).text


async def test_audit_names_what_is_far_down_a_list(app: Litestar, browse: Browse) -> None:
    now = clock.now()
    async with app.state.database.transaction() as tx:
        for number in range(1001):
            name, email = f"N{number:04}", f"n{number:04}@example.org"
            project = await tx.value("add_project", name=name, notes="", created_at=now)
            kind = await tx.value("add_item_type", name=name, name_key=name.lower(), description="", created_at=now)
            new = {"username": name, "email": email, "password_hash": "", "role": "member", "is_active": True}
            user = await tx.value("add_user", **new, now=now)
        await audit.record(tx, user, "set", "project", project, {})
        await audit.record(tx, user, "set", "item_type", kind, {})
        await audit.record(tx, 1, "set", "scanner", "s1", {"user_id": user})
    page = (await (await browse("admin")).show("/audit?action=set")).text
    for path in ("projects", project), ("vocabulary/types", kind), ("people", user):
        assert '<a href="/{}/{}">N1000</a>'.format(*path) in page
    assert page.count('<td class="side">N1000</td>') == 2


@pytest.mark.parametrize(
    "changed",
    [Settings, NewSheet, NewWebhook, NoticeChannelChange, ProjectChange, BoxChange, PriceChange, Written, Barcode],
)
def test_every_audited_field_has_a_name(changed: type[Struct]) -> None:
    # A secret is not in the audit trail.
    assert set(changed.__struct_fields__) - audit_words.FIELD_NAMES.keys() <= {"secret"}


async def test_audit(browse: Browse, admin: AsyncClient) -> None:
    item = await new_item(admin, "Coffee")
    await new_item(admin, "Tea")
    browser = await browse("admin")
    page = await browser.show("/audit")
    assert "Coffee" in page.text
    page = await browser.show(f"/audit?subject=item&subject_id={item['id']}&action=created&user_id=1&since=2020-01-01")
    assert "Coffee" in page.text
    assert "Tea" not in page.text
    for query in ("action=merged", "until=2020-01-01"):
        assert "Nothing found" in (await browser.show(f"/audit?{query}")).text
    assert (await browser.get("/audit?since=yesterday")).status_code in (400, 422)
    assert (await browser.get("/audit?until=9999-12-31")).status_code == 422


async def test_days_of_the_audit_are_those_of_the_settings(
    app: Litestar, browse: Browse, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await new_item(admin, "Coffee")
    [entry] = await get(admin, "/audit/", subject="item", subject_id=str(item["id"]))
    occurred = datetime.fromisoformat(entry["occurred_at"])
    # It is tomorrow there or still yesterday, but not the day of UTC.
    offset = timedelta(hours=14 if occurred.hour >= 12 else -13)
    monkeypatch.setattr(app.state, "zone", timezone(offset))
    day, elsewhere = (occurred + offset).date(), occurred.date()
    browser = await browse("admin")
    assert day != elsewhere
    for field in ("since", "until"):
        page = await browser.show(f"/audit?subject=item&subject_id={item['id']}&{field}={day}")
        assert "Coffee" in page.text, field
    both = f"/audit?subject=item&subject_id={item['id']}&since={{0}}&until={{0}}"
    assert "Coffee" in (await browser.show(both.format(day))).text
    assert "Nothing found" in (await browser.show(both.format(elsewhere))).text


RULE = {"prefix": "28", "item_digits": "5", "measure": "weight", "measure_digits": "5", "divisor": "1000"}


async def test_rules_for_labels_of_scales(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("admin")
    assert "/settings/measure-rules" in (await browser.show("/settings")).text
    assert "No rules yet" in (await browser.show("/settings/measure-rules")).text
    old = await new_item(admin, "Old cheese", barcodes=[{"barcode": "2812345004562"}])
    await browser.show("/settings/measure-rules/new")
    wrong = await browser.submit("/settings/measure-rules/new", RULE | {"measure_digits": "4", "check_position": ""})
    assert (wrong.status_code, "together they must be 12" in wrong.text) == (422, True)
    assert Page(wrong.text).faults == []
    assert (await browser.submit("/settings/measure-rules/new", RULE)).status_code == 303
    again = await browser.submit("/settings/measure-rules/new", RULE)
    assert (again.status_code, "There is a rule for this prefix already" in again.text) == (409, True)
    # What was scanned before there was a rule.
    page = await browser.show("/settings/measure-rules?barcode=2812345007891")
    for text in ("2812345000007", "0.789 kg", "No item has it yet", "Barcodes from before", "Old cheese"):
        assert text in page.text, text
    assert Page(page.text).faults == []
    added = await browser.submit("/settings/item-numbers")
    assert "1 item number is added" in (await browser.show(added.headers["location"])).text
    many = added.headers["location"].replace("count=1", "count=1200")
    assert "1200 item numbers are added" in (await browser.show(many)).text
    tried = await browser.show("/settings/measure-rules?barcode=2812345007891")
    assert f"/items/{old['id']}" in tried.text
    assert "Barcodes from before" not in tried.text
    assert "without a measure" in (await browser.show("/settings/measure-rules?barcode=2812345000007")).text
    assert "No rule reads this" in (await browser.show("/settings/measure-rules?barcode=4006381333931")).text
    assert "check digit" in (await browser.show("/settings/measure-rules?barcode=(01)04006381333932")).text
    # Changed, with another prefix; the usual rules of a country leave it as it is.
    await browser.show("/settings/measure-rules/28")
    moved = RULE | {"prefix": "27", "divisor": "100"}
    assert (await browser.submit("/settings/measure-rules/28", moved)).status_code == 303
    assert (await browser.get("/settings/measure-rules/28")).status_code == 404
    preset = await browser.submit("/settings/measure-presets", {"country": "AT"})
    assert "4 rules are added" in (await browser.show(preset.headers["location"])).text
    rules = {each["prefix"]: each for each in (await get(admin, "/settings/"))["measure_rules"]}
    assert (sorted(rules), rules["27"]["divisor"]) == (["21", "22", "23", "27", "28"], 100)
    refused = await browser.submit("/settings/measure-rules/27", RULE | {"prefix": "22"})
    assert (refused.status_code, "already" in refused.text) == (409, True)
    assert (await browser.submit("/settings/measure-presets", {"country": "ZZ"})).status_code == 422
    assert (await browser.submit("/settings/measure-rules/28/delete")).status_code == 303
    assert (await browser.submit("/settings/measure-rules/28/delete")).status_code == 404
    assert sorted(each["prefix"] for each in (await get(admin, "/settings/"))["measure_rules"]) == [
        *("21", "22", "23", "27"),
    ]

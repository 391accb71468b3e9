"""Content that no document references is deleted after a month; other content never is."""

from __future__ import annotations

import asyncio
import hashlib
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.backup import restore
from stocky.config import Config
from stocky.documents.blobs import Blobs
from stocky.documents.garbage_collector import RETENTION, Collected, GarbageCollector
from stocky.jobs.jobs import Jobs
from tests.architecture import schema
from tests.backup.dumps import as_json, take
from tests.cli.running import stocky
from tests.documents.files import pdf, send, uploaded
from tests.inventory import get, made, new_item, refused

pytestmark = pytest.mark.one_server
LATER = RETENTION + timedelta(days=2)


@pytest.fixture(autouse=True)
def no_other_run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application's own run, due as soon as a test sets the clock forward, may not delete the orphans first."""
    if "collecting" not in request.fixturenames:
        return

    async def never(self: GarbageCollector) -> None:
        return None

    monkeypatch.setattr(GarbageCollector, "_due", never)


@pytest.fixture
def collecting(app: Litestar, config: Config) -> GarbageCollector:
    return GarbageCollector(app.state.database, Blobs(config.blobs), Jobs(app.state.database))


async def collect(collecting: GarbageCollector) -> Collected:
    return await collecting.collect({}, lambda *_: None)


def contents(config: Config) -> list[Path]:
    return sorted((config.data_dir / "documents").glob("contents/*/*"))


def put(config: Config, content: bytes, stored_at: datetime | None = None) -> Path:
    """A content that no document references."""
    sha256 = hashlib.sha256(content).hexdigest()
    file = config.data_dir / "documents" / "contents" / sha256[:2] / sha256
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    if stored_at is not None:
        os.utime(file, (stored_at.timestamp(), stored_at.timestamp()))
    return file


async def test_deleted_content_is_collected_after_a_month(
    admin: AsyncClient, config: Config, collecting: GarbageCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await new_item(admin)
    used = await uploaded(admin, item, pdf(mark="used"))
    gone = await uploaded(admin, item, pdf(mark="gone"))
    await admin.delete(f"/documents/{gone['id']}")
    assert await collect(collecting) == Collected(0, 0)
    assert len(contents(config)) == 2
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + LATER)
    assert (await collect(collecting)).deleted == 1
    assert [file.name for file in contents(config)] == [used["sha256"]]
    assert (await admin.get(f"/documents/{used['id']}/content")).status_code == 200
    assert await collect(collecting) == Collected(0, 0)


async def test_content_of_an_aborted_upload_is_collected(
    config: Config, collecting: GarbageCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = put(config, b"left behind", clock.now() - timedelta(days=2))
    fresh = put(config, b"just being uploaded")
    assert await collect(collecting) == Collected(1, 0)
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + LATER)
    assert await collect(collecting) == Collected(1, 1)
    assert not old.exists()
    # From now on this content is noted as an orphan.
    assert fresh.exists()


async def test_content_uploaded_again_is_no_longer_an_orphan(
    admin: AsyncClient, config: Config, collecting: GarbageCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await new_item(admin)
    first = await uploaded(admin, item, pdf())
    await admin.delete(f"/documents/{first['id']}")
    again = await uploaded(admin, item, pdf())
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + LATER)
    assert await collect(collecting) == Collected(0, 0)
    assert (await admin.get(f"/documents/{again['id']}/content")).content == pdf()


async def test_upload_of_content_being_deleted_gets_retry_after(admin: AsyncClient, config: Config) -> None:
    item = await new_item(admin)
    first = await uploaded(admin, item, pdf())
    await admin.delete(f"/documents/{first['id']}")
    doom = "UPDATE orphan_content SET doomed_at = '{}'"
    await schema.run_beside(config, doom.format(clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")))
    answer = await send(admin, item, pdf())
    refused(answer, 503, "send it again")
    assert answer.headers["retry-after"] == "10"
    # The deleting process was killed.
    await schema.run_beside(config, doom.format("2020-01-01T00:00:00.000000Z"))
    await uploaded(admin, item, pdf())
    assert await schema.run_beside(config, "SELECT sha256 FROM orphan_content") == []


async def test_concurrent_uploads_and_collections_lose_nothing(
    admin: AsyncClient, config: Config, collecting: GarbageCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await new_item(admin)
    for number in range(6):
        document = await uploaded(admin, item, pdf(mark=str(number)))
        await admin.delete(f"/documents/{document['id']}")
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + LATER)
    collections = [asyncio.create_task(collect(collecting)) for _ in range(3)]
    answers = await asyncio.gather(*(send(admin, item, pdf(mark=str(number))) for number in range(6)))
    await asyncio.gather(*collections)
    assert {answer.status_code for answer in answers} <= {201, 503}
    for document in await get(admin, "/documents"):
        assert (await admin.get(f"/documents/{document['id']}/content")).status_code == 200


async def test_collection_runs_daily_once_there_are_documents(app: Litestar, admin: AsyncClient) -> None:
    await app.state.schedule.look()
    assert await get(admin, "/jobs", kind="documents.collect") == []
    await uploaded(admin, await new_item(admin), pdf())
    await app.state.schedule.look()
    await app.state.schedule.look()
    (job,) = await get(admin, "/jobs", kind="documents.collect")
    for _ in range(600):
        if job["status"] == "done":
            break
        await asyncio.sleep(0.1)
        job = await get(admin, f"/jobs/{job['id']}")
    assert job["result"] == {"noticed": 0, "deleted": 0}


async def test_check_lists_documents_without_content(
    admin: AsyncClient, config: Config, environ: dict[str, str]
) -> None:
    item = await new_item(admin)
    whole = await uploaded(admin, item, pdf(mark="whole"))
    lost = await uploaded(admin, item, pdf(mark="lost"), name="Lost")
    cut = await uploaded(admin, item, pdf(mark="cut"), name="Cut")
    assert (await asyncio.to_thread(stocky, environ, "check")).returncode == 0
    store = config.data_dir / "documents" / "contents"
    (store / lost["sha256"][:2] / lost["sha256"]).unlink()
    (store / cut["sha256"][:2] / cut["sha256"]).write_bytes(b"x")
    result = await asyncio.to_thread(stocky, environ, "check")
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        f"documents: the content of document {lost['id']} (Lost) is not in the store",
        f"documents: the content of document {cut['id']} (Cut) has 1 bytes in the store, not {cut['size_bytes']}",
    ]
    for document, status in ((whole, 200), (lost, 404), (cut, 404)):
        assert (await admin.get(f"/documents/{document['id']}/content")).status_code == status


@pytest.mark.parametrize("path", ["full", "partial"])
async def test_content_of_a_dump_being_restored_is_not_collected(
    path: str, admin: AsyncClient, collecting: GarbageCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = await uploaded(admin, await new_item(admin), pdf())
    dump = await take(admin)
    await admin.delete(f"/documents/{document['id']}")
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + LATER)
    collected: list[Collected] = []
    last_step = "replace_database" if path == "full" else "import_partial"
    go_on = getattr(restore, last_step)

    async def collect_before(*given: Any, **more: Any) -> Any:
        collected.append(await collect(collecting))
        return await go_on(*given, **more)

    monkeypatch.setattr(restore, last_step, collect_before)
    answer = made(await admin.post(f"/backup/import/{path}", json=as_json(dump, force=True)))
    assert [each for each in answer["warnings"] if "contents" in each] == []
    assert [each.deleted for each in collected] == [0]
    assert (await collect(collecting)).deleted == 0
    assert (await admin.get(f"/documents/{document['id']}/content")).content == pdf()

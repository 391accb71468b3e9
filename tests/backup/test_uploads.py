"""What the page of backups needs: an upload that stays for a day, the last restore and its way back, the last good."""

from __future__ import annotations

import gzip
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar, post

from stocky.app import attach, make_routes
from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.backup.admin_service import BackupAdministration
from stocky.backup.schemas import Backup
from stocky.config import Config
from stocky.http.request import StockyRequest
from stocky.services import Services
from tests.backup.dumps import done, take
from tests.conftest import ORIGIN, started
from tests.inventory import get, made, new_item, refused

pytestmark = pytest.mark.one_postgres


@post("/test-upload", opt=admins, status_code=200, request_max_body_size=None, include_in_schema=False)
async def upload(request: StockyRequest, backups: BackupAdministration, user: Principal) -> Backup:
    """Store an upload, as a page does."""
    return await backups.store_upload(request, user)


@pytest.fixture
async def app(config: Config) -> AsyncIterator[Litestar]:
    """The application with that route."""
    app = make_routes()
    app.register(upload)
    async with started(attach(app, Services(config))) as app:
        yield app


@pytest.fixture
async def root_admin(app: Litestar, keys: dict[str, str]) -> AsyncIterator[AsyncClient]:
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url=ORIGIN, headers={"X-API-Key": keys["admin"]}) as client:
        yield client


async def _archive(admin: AsyncClient, config: Config) -> bytes:
    job = await done(admin, await admin.post("/system/backup", json={"kind": "archive"}))
    return (config.backup_dir / job["filename"]).read_bytes()


async def _upload(root_admin: AsyncClient, content: bytes, name: str = "mine") -> Any:
    return made(await root_admin.post("/test-upload", files={"file": (name, content)}))


@pytest.mark.parametrize("kind", ["sql", "archive"])
async def test_upload_is_compared_restored_and_undone_without_another_upload(
    app: Litestar, admin: AsyncClient, root_admin: AsyncClient, config: Config, kind: str
) -> None:
    backups: BackupAdministration = app.state.backups
    assert await backups.find_last_restore() is None
    assert await backups.backups.last_good() is None
    await new_item(admin, "Before")
    content = await (take(admin) if kind == "sql" else _archive(admin, config))
    await new_item(admin, "After")
    stored = await _upload(root_admin, content)
    assert (stored["kind"], stored["reason"], stored["size_bytes"]) == (kind, "uploaded", len(content))
    assert stat.S_IMODE((config.backup_dir / stored["filename"]).stat().st_mode) == 0o600
    path = f"/system/backup/{stored['timestamp']}"
    verified = await done(admin, await admin.post(f"{path}/verify"))
    assert verified["is_good"] is True
    good = await backups.backups.last_good()
    assert good is not None
    assert good.id == stored["timestamp"]
    compared = await done(admin, await admin.post(f"{path}/restore?dry_run=true"))
    assert compared["changes"]["item"]["removed"] == 1
    assert compared["changes"]["item"]["examples_removed"] == ["After"]
    assert await backups.find_last_restore() is None
    await done(admin, await admin.post(f"{path}/restore?force=true"))
    last = await backups.find_last_restore()
    assert last is not None
    assert (last.by, last.result.dry_run) == ("admin", False)
    assert last.previous is not None
    assert [item["name"] for item in await get(admin, "/items/")] == ["Before"]
    await done(admin, await admin.post(f"/system/backup/{last.previous.timestamp}/restore?force=true"))
    assert [item["name"] for item in await get(admin, "/items/")] == ["Before", "After"]
    newest = await backups.find_last_restore()
    assert newest is not None
    assert newest.job_id > last.job_id
    assert newest.previous is not None
    await backups.backups.remove_backup(newest.previous.timestamp)
    assert (await backups.find_last_restore()) is not None
    assert (await backups.find_last_restore()).previous is None  # type: ignore[union-attr]


async def test_upload_expires_after_a_day(app: Litestar, admin: AsyncClient, root_admin: AsyncClient) -> None:
    stored = await _upload(root_admin, await take(admin))
    [backup] = await app.state.backups.backups.list_backups()
    assert backup.id == stored["timestamp"]
    assert backup.expires_at - backup.created_at == timedelta(days=1)
    [entry] = [each for each in await get(admin, "/audit") if each["action"] == "uploaded"]
    assert entry["subject_id"] == stored["timestamp"]


async def test_other_files_are_not_stored(root_admin: AsyncClient, admin: AsyncClient, config: Config) -> None:
    for content in (b"hello", b"SQLite format 3\0" + bytes(100), b""):
        refused(await root_admin.post("/test-upload", files={"file": ("a.zip", content)}), 400, "neither a dump")
    refused(await root_admin.post("/test-upload", content=b"hello"), 400, "form")
    # Another gzip file looks like a dump until it is tested.
    stored = await _upload(root_admin, gzip.compress(b"hello"))
    verified = await done(admin, await admin.post(f"/system/backup/{stored['timestamp']}/verify"))
    assert verified["is_good"] is False
    assert verified["problems"]
    files = [file.name for file in config.backup_dir.iterdir() if not file.name.endswith(".json")]
    assert files == [stored["filename"]]

"""`/system` over HTTP: stored backups and archives, and the jobs that create, verify and restore them."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from stocky import clock
from stocky.backup import service
from stocky.backup.store import Kind, Reason
from stocky.config import Config
from stocky.errors import OutOfSpace
from tests.backup.dumps import done, finished
from tests.inventory import Json, get, made, new_item, refused

pytestmark = pytest.mark.one_server


async def stored(admin: AsyncClient, kind: str = "archive") -> Json:
    """Creates a stored backup."""
    job = await done(admin, await admin.post("/system/backup", json={"kind": kind}))
    backup: Json = next(
        each for each in await get(admin, "/system/backup/list") if each["timestamp"] == job["timestamp"]
    )
    return backup


@pytest.mark.parametrize(("kind", "suffix"), [("archive", ".zip"), ("sql", ".sql.gz")])
async def test_backup_job_stores_file_at_the_announced_url(
    admin: AsyncClient, config: Config, kind: str, suffix: str
) -> None:
    await new_item(admin)
    started = await admin.post("/system/backup", json={"kind": kind})
    await done(admin, started)
    (backup,) = await get(admin, "/system/backup/list")
    assert started.json()["download_url"] == backup["download_url"]
    content = (await admin.get(backup["download_url"].removeprefix("/api/v1"))).content
    assert content == (config.backup_dir / backup["filename"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == backup["sha256"]
    assert backup["filename"].endswith(suffix)
    assert (backup["kind"], backup["rows"]["item"], backup["reason"]) == (kind, 1, "manual")
    assert backup["verified_at"] is None
    assert backup["is_good"] is False


async def test_backup_is_test_restored_at_once(admin: AsyncClient) -> None:
    await new_item(admin)
    started = await admin.post("/system/backup", json={"kind": "sql", "verify": True})
    made_backup = await done(admin, started)
    assert made_backup["is_good"]
    job = await get(admin, f"/jobs/{started.json()['job_id']}")
    assert [each["name"] for each in job["phases"]] == ["dumping", "loading", "building indexes", "checking"]
    assert job["backup_id"] == made_backup["timestamp"]


async def test_archive_metadata_describes_its_content(admin: AsyncClient, config: Config) -> None:
    await new_item(admin)
    backup = await stored(admin)
    with zipfile.ZipFile(config.backup_dir / backup["filename"]) as archive:
        assert archive.testzip() is None
        metadata = json.loads(archive.read("metadata.json"))
        dump = archive.read("database.sql.gz")
        settings = json.loads(archive.read("settings.json"))
    assert metadata["rows"]["item"] == 1
    assert metadata["dialect"] == config.dialect
    assert metadata["documents_count"] == 0
    assert metadata["settings_count"] == len(settings)
    assert hashlib.sha256(dump).hexdigest() in json.dumps(metadata)
    assert gzip.decompress(dump).startswith(b"-- Stocky backup\n")
    assert config.secret_key not in json.dumps([metadata, settings])


async def test_test_restore_marks_backup_good(admin: AsyncClient) -> None:
    for kind in ("sql", "archive"):
        backup = await stored(admin, kind)
        await done(admin, await admin.post(f"/system/backup/{backup['timestamp']}/verify"))
        verified = {each["timestamp"]: each for each in await get(admin, "/system/backup/list")}[backup["timestamp"]]
        assert verified["is_good"] is True, verified
        assert verified["verified_at"] is not None


async def test_test_restore_finds_damage(admin: AsyncClient, config: Config) -> None:
    await new_item(admin, "Tea")
    backup = await stored(admin, "sql")
    file = config.backup_dir / backup["filename"]
    text = gzip.decompress(file.read_bytes()).decode()
    file.write_bytes(gzip.compress(text.replace("'Tea'", "'Pea'").encode()))
    await done(admin, await admin.post(f"/system/backup/{backup['timestamp']}/verify"))
    (damaged,) = await get(admin, "/system/backup/list")
    assert damaged["is_good"] is False
    assert any("is damaged" in problem for problem in damaged["problems"])


@pytest.mark.parametrize("kind", ["sql", "archive"])
async def test_stored_backup_is_restored_by_a_job(admin: AsyncClient, kind: str) -> None:
    await new_item(admin, "Before")
    backup = await stored(admin, kind)
    await new_item(admin, "After")
    path = f"/system/backup/{backup['timestamp']}/restore"
    refused(await admin.post(path), 400, "force=true")
    trial = await done(admin, await admin.post(f"{path}?dry_run=true"))
    assert trial["rows"]["item"] == {"before": 2, "after": 1}
    assert len(await get(admin, "/items/")) == 2
    result = await done(admin, await admin.post(f"{path}?force=true"))
    assert result["records_imported"] > 0
    assert [item["name"] for item in await get(admin, "/items/")] == ["Before"]
    # It loses neither backups nor jobs.
    backups = await get(admin, "/system/backup/list")
    assert {each["reason"] for each in backups} == {"manual", "before_restore"}
    kinds = [job["kind"] for job in await get(admin, "/jobs")]
    assert kinds.count("backup.restore") == 2


async def test_archive_is_uploaded_validated_and_restored(admin: AsyncClient, config: Config) -> None:
    await new_item(admin, "Before")
    backup = await stored(admin)
    content = (config.backup_dir / backup["filename"]).read_bytes()
    await new_item(admin, "After")
    files = {"file": ("stocky.zip", content, "application/zip")}
    refused(await admin.post("/system/restore", files=files), 400, "force=true")
    valid = await done(admin, await admin.post("/system/restore?validate_only=true", files=files))
    assert valid["valid"] is True
    assert valid["rows"]["item"] == 1
    assert len(await get(admin, "/items/")) == 2
    await done(admin, await admin.post("/system/restore", files=files, data={"force": "true"}))
    assert [item["name"] for item in await get(admin, "/items/")] == ["Before"]


async def test_damaged_archive_is_rejected_and_changes_nothing(admin: AsyncClient, config: Config) -> None:
    backup = await stored(admin)
    await new_item(admin)
    content = bytearray((config.backup_dir / backup["filename"]).read_bytes())
    content[len(content) // 2] ^= 0x40
    for name, bad in {"flipped": bytes(content), "cut": bytes(content[:-100]), "none": b"PK", "text": b"hello"}.items():
        files = {"file": (f"{name}.zip", bad, "application/zip")}
        started = made_or_refused = await admin.post("/system/restore?force=true", files=files)
        assert made_or_refused.status_code == 202
        job = await finished(admin, started.json()["job_id"])
        assert job["status"] == "failed", name
        assert "corrupted" in job["error"].lower(), job
    assert len(await get(admin, "/items/")) == 1


async def test_zip_with_path_traversal_is_rejected(admin: AsyncClient, config: Config) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../evil.txt", "x")
        archive.writestr("metadata.json", "{}")
    files = {"file": ("stocky.zip", packed.getvalue(), "application/zip")}
    started = await admin.post("/system/restore?force=true", files=files)
    job = await finished(admin, started.json()["job_id"])
    assert job["status"] == "failed"
    assert not (config.backup_dir.parent / "evil.txt").exists()


async def test_interrupted_download_can_be_resumed(admin: AsyncClient) -> None:
    backup = await stored(admin)
    path = f"/system/backup/{backup['timestamp']}/download"
    whole = await admin.get(path)
    size = len(whole.content)
    assert whole.headers["content-length"] == str(size)
    assert whole.headers["accept-ranges"] == "bytes"
    assert backup["filename"] in whole.headers["content-disposition"]
    for wanted, expected, shown in [
        ("bytes=100-", whole.content[100:], f"bytes 100-{size - 1}/{size}"),
        ("bytes=0-0", whole.content[:1], f"bytes 0-0/{size}"),
        ("bytes=-10", whole.content[-10:], f"bytes {size - 10}-{size - 1}/{size}"),
        (f"bytes=5-{size * 2}", whole.content[5:], f"bytes 5-{size - 1}/{size}"),
    ]:
        part = await admin.get(path, headers={"Range": wanted})
        assert (part.status_code, part.content) == (206, expected), wanted
        assert part.headers["content-range"] == shown
    for meaningless in ("bytes=9-5", "lines=1-2", "bytes=0-1,5-6", "bytes=-", "bytes=x-y"):
        answer = await admin.get(path, headers={"Range": meaningless})
        assert (answer.status_code, len(answer.content)) == (200, size), meaningless
    changed = await admin.get(path, headers={"Range": "bytes=5-", "If-Range": '"another"'})
    assert changed.status_code == 200
    past = await admin.get(path, headers={"Range": f"bytes={size}-"})
    refused(past, 416)
    assert past.headers["content-range"] == f"bytes */{size}"


async def test_deleted_backup_is_gone(admin: AsyncClient, config: Config) -> None:
    backup = await stored(admin)
    path = f"/system/backup/{backup['timestamp']}"
    assert (await admin.delete(path)).status_code == 204
    assert await get(admin, "/system/backup/list") == []
    assert list(config.backup_dir.iterdir()) == []
    for gone in (admin.delete(path), admin.get(f"{path}/download"), admin.post(f"{path}/verify")):
        refused(await gone, 404, "no backup")


@pytest.mark.parametrize("name", ["%2e%2e%2fsecret-key", "2026-01-01-00-00-00", "x" * 300, "secret-key"])
async def test_only_backups_can_be_downloaded(admin: AsyncClient, name: str) -> None:
    for answer in (
        await admin.get(f"/system/backup/{name}/download"),
        await admin.post(f"/system/backup/{name}/restore?force=true"),
        await admin.delete(f"/system/backup/{name}"),
    ):
        assert answer.status_code in (404, 405), (answer.request.url, answer.text)


async def test_backup_operations_are_audited(admin: AsyncClient) -> None:
    backup = await stored(admin)
    await done(admin, await admin.post(f"/system/backup/{backup['timestamp']}/restore?force=true"))
    await admin.delete(f"/system/backup/{backup['timestamp']}")
    entries = await get(admin, "/audit/", subject="backup")
    assert [entry["action"] for entry in entries] == ["deleted", "restored"]
    assert entries[1]["details"]["by"] == "admin"


async def test_file_under_any_name_is_verified_restored_downloaded_and_deleted(
    admin: AsyncClient, config: Config
) -> None:
    await new_item(admin, "From elsewhere")
    backup = await stored(admin, "sql")
    content = await asyncio.to_thread((config.backup_dir / backup["filename"]).read_bytes)
    await admin.delete(f"/system/backup/{backup['timestamp']}")
    copied = config.backup_dir / 'Größe "1" (2).sql'
    await asyncio.to_thread(copied.write_bytes, gzip.decompress(content))
    made(await admin.patch("/items/1", json={"name": "Changed"}))
    (listed,) = await get(admin, "/system/backup/list")
    assert (listed["filename"], listed["reason"], listed["is_good"]) == (copied.name, "found", False)
    path = f"/system/backup/{listed['timestamp']}"
    verified = await done(admin, await admin.post(f"{path}/verify"))
    assert (verified["is_good"], verified["rows"]["item"], verified["dialect"]) == (True, 1, config.dialect)
    assert verified["created_at"][:16] == backup["created_at"][:16]
    downloaded = await admin.get(f"{path}/download")
    assert downloaded.content == gzip.decompress(content)
    assert downloaded.headers["content-type"] == "application/octet-stream"
    result = await done(admin, await admin.post(f"{path}/restore?force=true"))
    assert result["records_imported"] > 0
    assert [item["name"] for item in await get(admin, "/items/")] == ["From elsewhere"]
    assert (await admin.delete(path)).status_code == 204
    assert not await asyncio.to_thread(copied.exists)
    refused(await admin.get(f"{path}/download"), 404, "no backup")


async def test_file_copied_into_the_directory_is_listed_and_restored(admin: AsyncClient, config: Config) -> None:
    await new_item(admin, "From elsewhere")
    backup = await stored(admin, "sql")
    copied = config.backup_dir / "stocky_backup_20240229_235959.sql.gz"
    copied.write_bytes((config.backup_dir / backup["filename"]).read_bytes())
    made(await admin.patch("/items/1", json={"name": "Changed"}))
    listed = {each["timestamp"]: each for each in await get(admin, "/system/backup/list")}
    assert listed["2024-02-29-23-59-59"]["reason"] == "found"
    await done(admin, await admin.post("/system/backup/2024-02-29-23-59-59/restore?force=true"))
    assert [item["name"] for item in await get(admin, "/items/")] == ["From elsewhere"]


async def test_failed_audit_entry_does_not_undo_a_restore(admin: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await new_item(admin)
    backup = await stored(admin, "sql")
    await new_item(admin, "Tea")

    async def fail(*_: object) -> None:
        raise OutOfSpace

    monkeypatch.setattr("stocky.backup.admin_service.audit.record", fail)
    path = f"/system/backup/{backup['timestamp']}/restore"
    result = await done(admin, await admin.post(path, params={"force": True}))
    assert any("audit entry" in warning for warning in result["warnings"])
    assert [item["name"] for item in await get(admin, "/items/")] == ["Coffee"]


async def test_retention_starts_when_the_backup_is_finished(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    real, ahead = clock.now, timedelta()
    dump = service.dump_to_file

    async def take_long(*arguments: Any, **options: Any) -> Any:
        nonlocal ahead
        made = await dump(*arguments, **options)
        ahead = timedelta(hours=3)
        return made

    monkeypatch.setattr(clock, "now", lambda: real() + ahead)
    monkeypatch.setattr(service, "dump_to_file", take_long)
    backups = service.Backups(config)
    backup = await backups.create(Kind.SQL, Reason.MANUAL, lambda *_: None)
    assert backups.store.remove_expired() == []
    assert [each.id for each in backups.store.list_backups()] == [backup.id]

"""`/backup` over HTTP: the contract with existing clients, and the errors."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import httpx
import pytest
from httpx import AsyncClient

from stocky.backup.dump.objects import stocky_objects
from stocky.backup.dump.tables import is_data
from stocky.backup.repository import count_rows
from stocky.config import Config
from stocky.db import Database
from stocky.stock.consistency import find_faults
from tests.backup.dumps import as_json, packed, restore, take, text_of
from tests.inventory import get, made, new_item, new_location, new_stock, refused, total

pytestmark = pytest.mark.one_server

FULL, PARTIAL = "/backup/import/full", "/backup/import/partial"
UPLOAD_FULL, UPLOAD_PARTIAL = "/backup/upload/import/full", "/backup/upload/import/partial"
UPLOADS = [UPLOAD_FULL, UPLOAD_PARTIAL]


def form(content: bytes, name: str = "backup.sql.gz") -> dict[str, tuple[str, bytes, str]]:
    return {"file": (name, content, "application/gzip")}


async def test_backup_is_made_counted_and_stored(admin: AsyncClient, config: Config) -> None:
    await new_item(admin)
    backup = made(await admin.post("/backup/create/full"))
    assert backup["message"] == f"Full backup created successfully. Size: {backup['backup_size']} bytes (compressed)"
    assert {"users", "items", "locations", "skus", "events", "audit"} <= set(backup["tables_included"])
    # None by the name of its table, except for what the API has no word for.
    assert set(backup["tables_included"]) & set(backup["rows"]) == {"auth_revision"}
    assert backup["rows"]["item"] == 1
    assert re.fullmatch(r"[0-9a-f]{64}", backup["sha256"])
    (stored,) = await get(admin, "/system/backup/list")
    assert stored["timestamp"] == backup["backup_id"]
    assert (config.backup_dir / stored["filename"]).stat().st_size == backup["backup_size"]
    assert stored["expires_at"] is not None


async def test_rows_of_every_table_are_counted(database: Database, config: Config) -> None:
    async with database.read() as read:
        counted = await count_rows(read)
    assert counted.keys() == {table for table in stocky_objects(config.dialect).tables if is_data(table)}


async def test_download_is_a_complete_named_dump(admin: AsyncClient) -> None:
    answer = await admin.post("/backup/create/full/download")
    assert answer.headers["content-type"] == "application/gzip"
    assert re.fullmatch(
        r"attachment; filename=stocky_backup_\d{8}_\d{6}\.sql\.gz", answer.headers["content-disposition"]
    )
    lines = text_of(answer.content).splitlines()
    assert lines[0] == "-- Stocky backup"
    assert lines[-1].startswith("-- complete: ")


async def test_restore_reverts_later_changes(admin: AsyncClient, config: Config) -> None:
    shelf, tea = await new_location(admin), await new_item(admin, "Tea")
    await new_stock(admin, tea, shelf, 5)
    dump = await take(admin)
    sku = (await get(admin, "/skus/"))[0]
    made(await admin.post(f"/skus/{sku['id']}/adjust", json={"delta": -2}))
    made(await admin.patch(f"/items/{tea['id']}", json={"name": "Oh no"}))
    await new_item(admin, "Too much")
    answer = await restore(admin, dump)
    assert answer["success"] is True
    assert answer["records_imported"] == sum(counts["after"] for counts in answer["rows"].values())
    assert answer["rows"]["item"] == {"before": 2, "after": 1}
    assert "events" in answer["tables_affected"]
    assert [item["name"] for item in await get(admin, "/items/")] == ["Tea"]
    assert await total(admin, tea) == 5
    assert await find_faults(config) == []


async def test_safety_backup_restores_the_previous_data(admin: AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    dump = await take(admin)
    await new_item(admin, "Newer than the backup")
    answer = await restore(admin, dump)
    assert await get(admin, "/items/") == []
    safety = answer["safety_backup"]
    stored = {backup["timestamp"]: backup for backup in await get(admin, "/system/backup/list")}
    assert stored[safety]["reason"] == "before_restore"
    assert stored[safety]["filename"] in answer["message"]
    content = (await admin.get(f"/system/backup/{safety}/download")).content
    with caplog.at_level(logging.INFO, "stocky.backup"):
        made(await admin.post(UPLOAD_FULL, files=form(content), data={"force": "true"}))
        refused(await admin.post(UPLOAD_FULL, files=form(content[:-20]), data={"force": "true"}), 400)
        refused(await admin.post(UPLOAD_FULL, files=form(content[:-20]), data={"dry_run": "true"}), 400)
    assert [item["name"] for item in await get(admin, "/items/")] == ["Newer than the backup"]
    # How each restore ended is in the log.
    ended, failed = [each.getMessage() for each in caplog.records if "The restore of" in each.getMessage()]
    assert re.match(r"The restore of 'backup.sql.gz' ended after [0-9.]+ s: Full restore completed", ended)
    assert re.match(r"The restore of 'backup.sql.gz' failed after [0-9.]+ s: Invalid gzip file", failed)


async def test_dry_run_lists_changes_and_changes_nothing(admin: AsyncClient) -> None:
    dump = await take(admin)
    await new_item(admin)
    answer = made(await admin.post(FULL, json=as_json(dump, dry_run=True)))
    assert answer["dry_run"] is True
    assert answer["records_imported"] == 0
    assert answer["rows"]["item"] == {"before": 1, "after": 0}
    assert len(await get(admin, "/items/")) == 1
    assert await get(admin, "/system/backup/list") == []


async def test_full_restore_requires_force(admin: AsyncClient) -> None:
    dump = await take(admin)
    await new_item(admin)
    refused(await admin.post(FULL, json=as_json(dump)), 400, "force=true")
    refused(await admin.post(UPLOAD_FULL, files=form(dump)), 400, "force=true")
    refused(await admin.post(UPLOAD_FULL, files=form(dump), data={"force": "perhaps"}), 400, "force")
    assert len(await get(admin, "/items/")) == 1


async def test_force_is_accepted_in_form_and_query(admin: AsyncClient) -> None:
    dump = await take(admin)
    made(await admin.post(UPLOAD_FULL, files=form(dump), data={"force": "true"}))
    made(await admin.post(f"{UPLOAD_FULL}?force=true", files=form(dump)))


async def test_existing_rows_cancel_partial_import_or_stay_with_force(admin: AsyncClient) -> None:
    tea = await new_item(admin, "Tea")
    await new_item(admin, "Salt")
    dump = await take(admin)
    lines = [line for line in text_of(dump).splitlines() if line.startswith('INSERT INTO "item" ')]
    made(await admin.patch(f"/items/{tea['id']}", json={"name": "Green tea"}))
    third = lines[1].replace("VALUES(2,", "VALUES(3,").replace("'Salt'", "'Rice'")
    third = re.sub(r"VALUES\(3,'[A-Z]{4}'", "VALUES(3,'ZZZZ'", third)
    import_ = packed("\n".join([lines[0], third, ""]))
    refused(await admin.post(PARTIAL, json=as_json(import_)), 400, "item", "1")
    assert len(await get(admin, "/items/")) == 2
    answer = made(await admin.post(PARTIAL, json=as_json(import_, force=True)))
    assert (answer["records_imported"], answer["records_skipped"], answer["tables_affected"]) == (1, 1, ["items"])
    assert {item["name"] for item in await get(admin, "/items/")} == {"Green tea", "Salt", "Rice"}


@pytest.mark.parametrize("path", [FULL, PARTIAL])
async def test_invalid_backup_is_rejected_with_a_reason(admin: AsyncClient, path: str) -> None:
    dump = await take(admin)
    for reason, body in {
        "Invalid base64": {"backup_data": "not base64!", "force": True},
        "Invalid gzip": as_json(b"not gzip at all", force=True),
        "truncated": as_json(packed(text_of(dump).rpartition("-- complete")[0]), force=True),
    }.items():
        refused(await admin.post(path, json=body), 400, reason)
    refused(await admin.post(path, json=as_json(dump[:-20], force=True)), 400, "Invalid gzip")
    refused(await admin.post(path, json=as_json(packed("DROP TABLE item;"), force=True)), 400)
    refused(await admin.post(path, json={"backup_data": "", "force": True, "sure": True}), 422, "sure")


async def test_large_dump_in_json_is_rejected(admin: AsyncClient) -> None:
    body = {"backup_data": "A" * (45 * 2**20), "force": True}
    refused(await admin.post(FULL, json=body), 413, "/api/v1/backup/upload/import/full")


@pytest.mark.parametrize("path", UPLOADS)
async def test_upload_must_be_a_form_with_one_dump(admin: AsyncClient, path: str) -> None:
    dump = await take(admin)
    refused(await admin.post(f"{path}?force=true", content=dump), 400, "form")
    refused(await admin.post(f"{path}?force=true", files={"other": ("x.sql.gz", dump)}), 400, "'file'")
    refused(await admin.post(f"{path}?force=true", files=form(dump, "backup.zip")), 400, ".sql.gz")
    refused(
        await admin.post(f"{path}?force=true", files=[("file", ("a.sql.gz", dump)), ("file", ("b.sql.gz", dump))]),
        400,
        "twice",
    )
    damaged = b"--x\r\nContent-Disposition: form-data; name=file"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    refused(await admin.post(f"{path}?force=true", content=damaged, headers=headers), 400, "form")
    no_boundary = {"Content-Type": "multipart/form-data"}
    refused(await admin.post(f"{path}?force=true", content=dump, headers=no_boundary), 400, "form")


async def test_uploads_leave_no_files(admin: AsyncClient, config: Config) -> None:
    dump = await take(admin)
    made(await admin.post(f"{UPLOAD_FULL}?dry_run=true", files=form(dump)))
    refused(await admin.post(f"{UPLOAD_FULL}?force=true", files=form(b"no gzip")), 400, "Invalid gzip")
    refused(await admin.post(f"{UPLOAD_FULL}?force=true", files=form(dump, "x.txt")), 400)
    assert list(config.backup_dir.iterdir()) == []


class TestSmallUploads:
    """With an upload limit of 1 MB."""

    @pytest.fixture
    def environ(self, environ: dict[str, str]) -> dict[str, str]:
        return environ | {"STOCKY_MAX_UPLOAD_MB": "1"}

    @pytest.mark.parametrize("path", UPLOADS)
    async def test_too_large_upload_is_rejected(self, admin: AsyncClient, config: Config, path: str) -> None:
        answer = await admin.post(f"{path}?force=true", files=form(b"\x1f\x8b" + b"x" * (2 * 2**20)))
        refused(answer, 413, "1 MB", "STOCKY_MAX_UPLOAD_MB")
        assert list(config.backup_dir.iterdir()) == []


async def test_restore_ends_sessions_and_keeps_keys(client: AsyncClient, admin: AsyncClient) -> None:
    login = {"username": "admin", "password": "correct horse battery"}
    session = made(await client.post("/auth/login", data=login))
    dump = await take(admin)
    bearer = {"Authorization": f"Bearer {session['access_token']}"}
    made(await client.get("/auth/me", headers=bearer))
    await restore(admin, dump)
    refused(await client.get("/auth/me", headers=bearer), 401)
    refused(await client.post("/auth/refresh", json={"refresh_token": session["refresh_token"]}), 401)
    made(await client.post("/auth/login", data=login))


async def test_revocations_survive_a_restore(admin: AsyncClient, member: AsyncClient) -> None:
    key = made(await admin.post("/users/3/api-keys", json={"name": "lost phone"}))
    dump = await take(admin)
    assert (await admin.delete(f"/users/3/api-keys/{key['id']}")).status_code in (200, 204)
    assert (await admin.delete("/users/2")).status_code in (200, 204)
    answer = await restore(admin, dump)
    assert answer["kept_inactive"] == ["member"]
    assert any("lost phone" in each for each in answer["kept_revoked"])
    refused(await member.get("/items/"), 401)


async def test_scans_are_counted_right_after_a_restore(admin: AsyncClient, scanner: AsyncClient) -> None:
    shelf = await new_location(admin)
    scan = {"upc": "4006381333931", "scanner_id": "s1"}
    made(await admin.put("/scanner/s1/state", json={"mode": "add", "location_id": shelf["id"]}))
    dump = await take(admin)
    for _ in range(2):
        made(await scanner.post("/scanner/scan", json=scan))
        await restore(admin, dump)
        # The cached previous item must not be used: it no longer exists.
        answer = made(await scanner.post("/scanner/scan", json=scan))
        assert answer["success"] is True
        assert await total(admin, answer["item"]) == 1


@pytest.mark.slow
def test_aborted_download_leaves_nothing(serve, keys: dict[str, str], config: Config) -> None:  # type: ignore[no-untyped-def]  # a fixture that makes context managers
    with serve() as server:
        headers = {"X-API-Key": keys["admin"]}
        with httpx.stream("POST", f"{server.api}/backup/create/full/download", headers=headers) as answer:
            assert answer.status_code == 200
        assert httpx.get(f"{server.url}/health/ready").status_code == 200
    assert _files(config.backup_dir) == []


def _files(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir()) if directory.is_dir() else []

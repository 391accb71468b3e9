"""Documents in archives and restores: complete, checked, on both stores and databases, and undoable."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.config import load as load_config
from stocky.db.migrate import migrate
from stocky.documents.blobs import Blobs
from tests.architecture import schema
from tests.backup.dumps import done, finished, restore, take
from tests.cli.running import stocky
from tests.conftest import TestDatabases
from tests.conftest import settings as environment
from tests.documents.archiving import PHOTO, SHEET, archived, contents, empty, fill, rewritten
from tests.documents.files import pdf, uploaded
from tests.inventory import get, new_item, refused
from tests.people import NOBODYS_HASH

pytestmark = pytest.mark.one_server


@pytest.fixture
def environ(environ: dict[str, str], store_environ: dict[str, str]) -> dict[str, str]:
    return environ | store_environ


async def test_archive_restores_documents_missing_from_the_store(
    admin: AsyncClient, config: Config, environ: dict[str, str]
) -> None:
    documents = await fill(admin)
    backup, file = await archived(admin, config)
    assert backup["documents_count"] == 2
    with zipfile.ZipFile(file) as archive:
        metadata = json.loads(archive.read("metadata.json"))
        names = [name for name in archive.namelist() if name.startswith("documents/")]
        assert archive.read(f"documents/{documents[0]['sha256']}") == SHEET
    assert names == sorted({f"documents/{each['sha256']}" for each in documents})
    assert (metadata["documents_count"], metadata["documents_size_bytes"]) == (2, len(SHEET) + len(PHOTO))
    assert metadata["members"][names[0]]["sha256"] == names[0].removeprefix("documents/")
    assert environ.get("STOCKY_S3_SECRET_ACCESS_KEY", "no secret") not in file.read_bytes().decode("latin-1")

    await empty(config)
    later = await uploaded(admin, await new_item(admin, "Later"), pdf(mark="later"))
    path = f"/system/backup/{backup['timestamp']}/restore"
    trial = await done(admin, await admin.post(f"{path}?dry_run=true"))
    assert trial["warnings"] == []
    assert await contents(config) == {later["sha256"]}
    result = await done(admin, await admin.post(f"{path}?force=true"))
    assert (result["documents_count"], result["warnings"]) == (2, [])
    assert await get(admin, "/documents") == documents
    assert (await admin.get(f"/documents/{documents[0]['id']}/content")).content == SHEET
    assert (await admin.get(f"/documents/{documents[2]['id']}/content")).content == PHOTO
    assert (await admin.get(f"/documents/{documents[2]['id']}/thumbnail")).status_code == 200
    assert (await asyncio.to_thread(stocky, environ, "check")).returncode == 0

    # The contents of the earlier data are still stored, so that the restore can be undone.
    undone = await done(admin, await admin.post(f"/system/backup/{result['safety_backup']}/restore?force=true"))
    assert (undone["documents_count"], undone["warnings"]) == (0, [])
    assert (await admin.get(f"/documents/{later['id']}/content")).content == pdf(mark="later")


async def test_archive_repairs_a_damaged_document(admin: AsyncClient, config: Config) -> None:
    sheet, _, _ = await fill(admin)
    _, file = await archived(admin, config)
    whole = (await admin.get(f"/documents/{sheet['id']}/content")).content
    damaged = config.data_dir / "damaged"
    damaged.write_bytes(whole[:-100] + b"x" + whole[-99:])
    await Blobs(config.blobs).put(hashlib.sha256(whole).hexdigest(), damaged)
    assert (await admin.get(f"/documents/{sheet['id']}/content")).content != whole
    with file.open("rb") as content:
        files = {"file": ("stocky.zip", content, "application/zip")}
        await done(admin, await admin.post("/system/restore", files=files, data={"force": "true"}))
    assert (await admin.get(f"/documents/{sheet['id']}/content")).content == whole


async def test_dump_restores_documents_and_lists_missing_contents(
    admin: AsyncClient, config: Config, environ: dict[str, str]
) -> None:
    documents = await fill(admin)
    dump = await take(admin)
    assert (await restore(admin, dump))["warnings"] == []
    await Blobs(config.blobs).remove(documents[2]["sha256"])
    result = await restore(admin, dump)
    assert result["warnings"] == [
        "The content of 1 document is neither in the backup nor in the document store;"
        " 'stocky check' lists the documents, and an older archive may have their content"
    ]
    assert await get(admin, "/documents") == documents
    assert f"document {documents[2]['id']}" in (await asyncio.to_thread(stocky, environ, "check")).stdout


@pytest.mark.one_database
async def test_archive_and_test_restore_list_missing_contents(
    admin: AsyncClient, config: Config, environ: dict[str, str], tmp_path: Path
) -> None:
    documents = await fill(admin)
    good, _ = await archived(admin, config)
    assert good["warnings"] == []
    await done(admin, await admin.post(f"/system/backup/{good['timestamp']}/verify"))
    blobs = Blobs(config.blobs)
    blobs.put_now("contents", documents[0]["sha256"], iter([b"%PDF-1.7 damaged"]))
    await blobs.remove(documents[2]["sha256"])
    lacking = [
        "The content of 1 document was damaged already when it was made",
        "The content of 1 document was missing from the store when it was made",
    ]
    bad, _ = await archived(admin, config)
    assert (bad["warnings"], bad["problems"]) == (lacking, [])
    made = await asyncio.to_thread(stocky, environ, "backup", "--kind", "archive", "-o", str(tmp_path / "bad.zip"))
    assert (made.returncode, made.stderr.splitlines()) == (0, [f"stocky: {each}" for each in lacking])
    backup = await asyncio.to_thread(stocky, environ, "backup", "--kind", "archive", "--json")
    assert (backup.returncode, json.loads(backup.stdout)["warnings"]) == (0, lacking)
    await done(admin, await admin.post(f"/system/backup/{bad['timestamp']}/verify"))
    listed = {each["timestamp"]: each for each in await get(admin, "/system/backup/list")}
    assert listed[good["timestamp"]]["is_good"] is True
    assert listed[bad["timestamp"]]["problems"] == listed[bad["timestamp"]]["warnings"] == lacking
    assert listed[bad["timestamp"]]["is_good"] is False
    # It still restores as far as possible, and stores no damaged content.
    await empty(config)
    result = await done(admin, await admin.post(f"/system/backup/{bad['timestamp']}/restore?force=true"))
    assert "The content of 2 documents is neither" in result["warnings"][0]
    assert await contents(config) == set()


@pytest.mark.one_database
async def test_one_missing_document_is_singular(admin: AsyncClient, environ: dict[str, str], tmp_path: Path) -> None:
    await uploaded(admin, await new_item(admin), pdf())
    file = tmp_path / "one.zip"
    assert (await asyncio.to_thread(stocky, environ, "backup", "--kind", "archive", "-o", str(file))).returncode == 0
    assert "and 1 document, each" in (await asyncio.to_thread(stocky, environ, "verify", str(file))).stdout


async def test_command_line_moves_archives_between_databases_and_stores(
    admin: AsyncClient,
    config: Config,
    environ: dict[str, str],
    dialect: str,
    databases: TestDatabases,
    tmp_path: Path,
) -> None:
    documents = await fill(admin)
    file = tmp_path / "all.zip"
    assert (await asyncio.to_thread(stocky, environ, "backup", "--kind", "archive", "-o", str(file))).returncode == 0
    verified = await asyncio.to_thread(stocky, environ, "verify", str(file))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "and 2 documents" in verified.stdout
    other = "sqlite" if dialect != "sqlite" else "postgres-embedded"
    (tmp_path / "other").mkdir()
    with databases.empty(other, tmp_path / "other") as url:
        elsewhere = environment(url, tmp_path / "other")
        done = await asyncio.to_thread(stocky, elsewhere, "restore", str(file), "--force")
        assert done.returncode == 0, done.stderr
        assert (await asyncio.to_thread(stocky, elsewhere, "check")).returncode == 0
        again = tmp_path / "again.zip"
        assert (
            await asyncio.to_thread(stocky, elsewhere, "backup", "--kind", "archive", "-o", str(again))
        ).returncode == 0
        assert await contents(load_config(elsewhere)) == {each["sha256"] for each in documents}
    with zipfile.ZipFile(file) as one, zipfile.ZipFile(again) as two:
        for name in {f"documents/{each['sha256']}" for each in documents}:
            assert one.read(name) == two.read(name)
            assert one.getinfo(name).date_time == two.getinfo(name).date_time


@pytest.mark.one_database
@pytest.mark.parametrize("store", ["local"])
async def test_archive_from_before_documents_is_readable(admin: AsyncClient, config: Config) -> None:
    item = await new_item(admin, "Before")
    backup, file = await archived(admin, config)

    def older(members: dict[str, bytes], metadata: dict[str, Any]) -> None:
        metadata["format"] = 1

    old = rewritten(file.read_bytes(), older)
    file.write_bytes(old)
    await admin.delete(f"/items/{item['id']}")
    await done(admin, await admin.post(f"/system/backup/{backup['timestamp']}/restore?force=true"))
    assert [each["name"] for each in await get(admin, "/items/")] == ["Before"]

    def newer(members: dict[str, bytes], metadata: dict[str, Any]) -> None:
        metadata["format"] = 3

    file.write_bytes(rewritten(old, newer))
    started = await admin.post(f"/system/backup/{backup['timestamp']}/restore?force=true")
    job = await finished(admin, started.json()["job_id"])
    assert (job["status"], job["error_status"]) == ("failed", 409)


@pytest.mark.one_database
@pytest.mark.parametrize("store", ["local"])
async def test_restore_without_room_for_documents_changes_nothing(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    backup, _ = await archived(admin, config)
    await new_item(admin, "Later")
    store = config.data_dir / "documents"
    shutil.rmtree(store)
    store.write_text("no directory")
    started = await admin.post(f"/system/backup/{backup['timestamp']}/restore?force=true")
    job = await finished(admin, started.json()["job_id"])
    assert (job["status"], job["error_status"]) == ("failed", 503)
    assert len(await get(admin, "/items/")) == 3
    refused(await admin.get("/documents/1/content"), 503, "document store")


@pytest.mark.parametrize("store", ["local"])
async def test_database_from_before_documents_is_archived(
    admin: AsyncClient, environ: dict[str, str], dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    with databases.empty(dialect, tmp_path / "old") as url:
        older = load_config(environment(url, tmp_path / "old"))
        await asyncio.to_thread(migrate, older, through=8)
        now = "'2026-01-01T00:00:00.000000Z'"
        (
            await asyncio.to_thread(
                schema.run,
                older,
                "INSERT INTO user_account (username, email, password_hash, role, is_active, created_at, updated_at)"
                f" VALUES ('admin', 'a@example.org', '{NOBODYS_HASH}', 'admin', TRUE, {now}, {now})",
            )
        )
        file = tmp_path / "old.zip"
        command = ("backup", "--kind", "archive", "-o", str(file))
        made = await asyncio.to_thread(stocky, environment(url, tmp_path / "old"), *command)
        assert made.returncode == 0, made.stderr
    verified = await asyncio.to_thread(stocky, environ, "verify", str(file))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    files = {"file": ("old.zip", file.read_bytes(), "application/zip")}
    trial = await done(admin, await admin.post("/system/restore?validate_only=true", files=files))
    assert (trial["documents_count"], trial["rows"]["user_account"]) == (0, 1)

"""With a read-only data directory, routes that write files return 503 and scans work."""

from __future__ import annotations

import base64
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from httpx import Client, Response

from tests.documents.files import picture
from tests.inventory import Json, made, refused
from tests.serving import Server, serve

SCAN = {"upc": "4006381333931", "scanner_id": "door"}
# Root can write into a read-only directory unless it drops that capability.
WITHOUT_ROOTS_RIGHTS = (
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)
JOB_SECONDS = 60


@pytest.fixture
def server(environ: dict[str, str], dialect: str, tmp_path: Path) -> Iterator[Server]:
    """A server whose data directory is `data`; its SQLite file is beside it and writable."""
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if dialect == "postgres-embedded":
            pytest.skip("its socket lies in another user's directory, where this process without root's rights is not")
        if shutil.which(WITHOUT_ROOTS_RIGHTS[0]) is None:
            pytest.skip("root writes everywhere, and there is no setpriv to give that up")
        prefix = WITHOUT_ROOTS_RIGHTS
    environ["STOCKY_DATA_DIR"] = str(tmp_path / "data")
    with serve(environ, tmp_path, command=(*prefix, sys.executable, "-m", "stocky")) as server:
        yield server
    _set_mode(tmp_path / "data", 0o755)


def _set_mode(directory: Path, mode: int) -> None:
    for path in (directory, *(each for each in directory.rglob("*") if each.is_dir())):
        path.chmod(mode)


def _finished(client: Client, started: Response) -> Json:
    """The started job, after it has ended."""
    assert started.status_code == 202, started.text
    deadline = time.monotonic() + JOB_SECONDS
    while time.monotonic() < deadline:
        job: Json = made(client.get(started.json()["status_url"].removeprefix("/api/v1")))
        if job["status"] in ("done", "failed"):
            return job
        time.sleep(0.05)
    raise AssertionError(f"the job did not end: {job}")


def test_routes_that_write_files_are_503_and_scans_work(server: Server, keys: dict[str, str], tmp_path: Path) -> None:
    headers = {"X-API-Key": keys["admin"]}
    with Client(base_url=server.api, headers=headers, timeout=60, follow_redirects=True) as admin:
        item = made(admin.post("/items/", json={"name": "Tea", "barcodes": [{"barcode": SCAN["upc"]}]}))
        shelf = made(admin.post("/locations/", json={"name": "Shelf", "storage_type": "pantry"}))
        started = admin.post("/system/backup", json={"kind": "sql"})
        assert _finished(admin, started)["status"] == "done"
        (stored,) = made(admin.get("/system/backup/list"))
        dump = admin.get(f"/system/backup/{stored['timestamp']}/download").content
        upload = {"file": ("stocky.sql.gz", dump)}
        backup_data = base64.b64encode(dump).decode()
        photo = {"file": ("tea.png", picture(), "image/png")}
        document = made(admin.post("/documents", files=photo, data={"item_id": str(item["id"])}))
        shutil.rmtree(next((tmp_path / "data").glob("**/thumbnails")))

        _set_mode(tmp_path / "data", 0o555)
        refusals = {
            "a document": admin.post("/documents", files={"file": ("a.png", picture(colour="red"), "image/png")}),
            "a thumbnail": admin.get(f"/documents/{document['id']}/thumbnail"),
            "an import": admin.post("/imports", files={"file": ("a.csv", b"name,stock\nTea,3\n")}),
            "a backup": admin.post("/backup/create/full"),
            "a dump": admin.post("/backup/create/full/download"),
            "rows": admin.post("/backup/import/partial", json={"backup_data": backup_data}),
            "everything": admin.post("/backup/import/full", json={"backup_data": backup_data, "force": True}),
            "uploaded rows": admin.post("/backup/upload/import/partial", files=upload),
            "an uploaded dump": admin.post("/backup/upload/import/full", files=upload, data={"force": "true"}),
            "a stored dump": admin.post("/system/backup", json={"kind": "sql"}),
            "an archive": admin.post("/system/backup", json={"kind": "archive"}),
            "a restore": admin.post("/system/restore", files=upload, data={"force": "true"}),
            "its removal": admin.delete(f"/system/backup/{stored['timestamp']}"),
        }
        for what, answer in refusals.items():
            assert answer.status_code == 503, (what, answer.text)
            assert "cannot be written" in refused(answer, 503)["detail"], (what, answer.text)
        for what in ("verify", "restore"):
            started = admin.post(f"/system/backup/{stored['timestamp']}/{what}", params={"force": what == "restore"})
            job = _finished(admin, started)
            assert (job["status"], job["error_status"]) == ("failed", 503), (what, job)
            assert "cannot be written" in job["error"]
        assert made(admin.post("/scanner/scan", json=SCAN | {"location_hint": shelf["id"]}))["success"]
        assert made(admin.get(f"/items/{item['id']}"))["total_quantity"] == 1
        assert admin.get(f"/system/backup/{stored['timestamp']}/download").content == dump
        assert admin.get("/exports/items.csv").status_code == 200
        assert "data_directory" in httpx.get(f"{server.url}/health/ready").text

        _set_mode(tmp_path / "data", 0o755)
        assert _finished(admin, admin.post("/system/backup", json={"kind": "sql"}))["status"] == "done"
        assert "Traceback" not in server.log

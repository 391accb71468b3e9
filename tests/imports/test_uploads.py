"""Uploaded files: rejections before a job starts, how text is read, how long files are stored."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta

import msgspec
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.config import Config
from stocky.imports import csv_reader, service
from stocky.imports.planner import Planner
from stocky.jobs.kinds import KINDS
from tests.imports.importing import KITCHEN, begin, ended, failed, imported
from tests.inventory import get, refused

pytestmark = pytest.mark.one_server


WRONG = {
    "no form": ("", {}, 400, "as a form"),
    "an empty file": ("", {"partial": "false"}, 422, "empty"),
    "a header of nothing known": ("a,b\n1,2\n", {"partial": "false"}, 422, "code or barcode or name"),
    "the key's column missing": ("name\nTea\n", {"key": "code"}, 422, "code"),
    "a column twice": ("name,name\nTea,Tea\n", {"partial": "false"}, 422, "twice"),
    "an unknown column": ("name\nTea\n", {"mapping": '{"Tee": "name"}'}, 422, "no column"),
    "an unknown field": ("name\nTea\n", {"mapping": '{"name": "colour"}'}, 422, "not a field"),
    "two of a field": ("a,b\nTea,1\n", {"mapping": '{"a": "name", "b": "name"}'}, 422, "two columns"),
    "no mapping": ("name\nTea\n", {"mapping": "[1]"}, 422, "JSON object"),
    "an unknown mode": ("name\nTea\n", {"stock": "replace"}, 422, "set, add"),
    "no flag": ("name\nTea\n", {"dry_run": "perhaps"}, 422, "neither"),
    "an unknown delimiter": ("name\nTea\n", {"delimiter": "x"}, 422, "comma"),
    "an unknown encoding": ("name\nTea\n", {"encoding": "ebcdic"}, 422, "cp1252"),
    "a long key": ("name\nTea\n", {"import_key": "x" * 129}, 422, "128"),
    "too many columns": (",".join(f"c{n}" for n in range(101)), {"partial": "false"}, 422, "100"),
    "a header to be mapped": ('Fo"o,b\n1,2\n', {"partial": "false"}, 422, r'as in {"Fo\"o": "name"}'),
    "a workbook": ("PK\x03\x04\x14\0\x06\0", {"partial": "false"}, 422, "Excel"),
    "a workbook with an encoding": ("PK\x03\x04\x14\0\x06\0", {"encoding": "cp1252"}, 422, "save the table as CSV"),
    "an old workbook": ("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", {"partial": "false"}, 422, "old Excel workbook"),
    "a picture": ("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", {"partial": "false"}, 422, "UTF-8"),
}


@pytest.mark.one_database
@pytest.mark.parametrize("case", WRONG)
async def test_invalid_upload_is_rejected_at_once(case: str, member: AsyncClient, config: Config) -> None:
    content, options, status, words = WRONG[case]
    if case == "no form":
        answer = await member.post("/imports", content=b"name\nTea\n", headers={"Content-Type": "text/csv"})
    else:
        body = content.encode("latin-1")
        answer = await member.post("/imports", files={"file": ("x.csv", body, "text/csv")}, data=options)
    refused(answer, status, words)
    assert await get(member, "/imports") == []
    assert list((config.data_dir / "imports").iterdir()) == []


async def test_unknown_option_is_rejected(member: AsyncClient) -> None:
    files = {"file": ("items.csv", b"name\nTea\n", "text/csv")}
    refused(await member.post("/imports", files=files, data={"dryrun": "true"}), 422, "dryrun", "dry_run")
    answer = await member.post("/imports?dry_run=true", files=files)
    report = (await ended(member, answer.json()["job_id"]))["result"]
    assert (report["dry_run"], report["applied"]) == (True, False)
    assert await get(member, "/items/") == []


@pytest.mark.one_database
async def test_too_large_upload_is_rejected(
    member: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b"name\n" + b"Tea\n" * 300
    with monkeypatch.context() as smaller:
        smaller.setattr(service, "MAX_BYTES", 1000)
        refused(await member.post("/imports", files={"file": ("x.csv", body)}), 413, "in parts")
    assert list((config.data_dir / "imports").iterdir()) == []
    monkeypatch.setattr(csv_reader, "MAX_LINES", 100)
    job = await failed(member, "name\n" + "".join(f"Item {number}\n" for number in range(101)))
    assert (job["error_status"], "more than 100 rows" in job["error"]) == (422, True)
    long = await imported(member, f'name,description\nTea,"{"x" * 10_001}"\nSalt,{"y" * 200_000}\n', dry_run="true")
    assert [error["line"] for error in long["errors"]] == [2, 3]
    many = await failed(member, "name\n" + "z" * 2_000_000, dry_run="true")
    assert "1,000,000 characters" in many["error"]
    assert await get(member, "/items/") == []


async def test_number_of_waiting_uploads_is_bounded(member: AsyncClient, config: Config) -> None:
    waiting = config.data_dir / "imports"
    for number in range(10):
        place = waiting / f"{number:032x}"
        place.mkdir(parents=True)
        (place / "arriving.csv").touch()
    assert (await imported(member, "name\nTea\n"))["applied"] is True
    for number in range(10):
        (waiting / f"{number:032x}" / "upload.csv").touch()
    refused(await member.post("/imports", files={"file": ("x.csv", b"name\nTea\n")}), 503, "waiting already")


async def test_upload_is_removed_after_the_import(member: AsyncClient, config: Config) -> None:
    report = await imported(member, KITCHEN)
    await failed(member, 'name\n"Tea\n')
    places = sorted((config.data_dir / "imports").iterdir())
    assert len(places) == 2
    assert sorted(file.name for file in (config.data_dir / "imports" / report["import_id"]).iterdir()) == [
        "refused.csv",
        "report.csv",
    ]
    assert not [file for place in places for file in place.iterdir() if file.name == "upload.csv"]


async def test_sweep_removes_uploads_without_open_job(
    member: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_: object) -> None:
        raise RuntimeError("the planner breaks down")

    directory = config.data_dir / "imports"

    def uploads() -> set[str]:
        return {file.parent.name for file in directory.glob("*/upload.csv")}

    def age(hours: float) -> None:
        for path in directory.glob("**/*"):
            os.utime(path, (time.time() - hours * 3_600,) * 2)

    with monkeypatch.context() as broken:
        broken.setattr(Planner, "run", break_down)
        broken.setitem(KINDS, "import.csv", msgspec.structs.replace(KINDS["import.csv"], attempts=1))
        await failed(member, "name\nTea\n")
        (hopeless,) = uploads()
        broken.setitem(KINDS, "import.csv", msgspec.structs.replace(KINDS["import.csv"], attempts=2))
        job = await begin(member, "name\nSalt\n")
        for _ in range(3_000):
            if (await get(member, f"/imports/{job['job_id']}"))["error"] is not None:
                break
            await asyncio.sleep(0.02)
    (waiting,) = uploads() - {hopeless}
    monkeypatch.setattr(service, "MOST_WAITING", 2)
    # The one that failed makes room at once.
    assert (await imported(member, "name\nTea\n"))["applied"] is True
    assert uploads() == {waiting}
    assert (directory / hopeless).is_dir()
    age(hours=24 * 8)
    end_week(monkeypatch)
    monkeypatch.setattr(service, "MOST_WAITING", 1)
    another = {"file": ("x.csv", b"name\nTea\n")}
    refused(await member.post("/imports", files=another), 503, "waiting already")
    assert [place.name for place in directory.iterdir()] == [waiting]
    assert uploads() == {waiting}


def end_week(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all imports had ended more than a week ago."""
    monkeypatch.setitem(KINDS, "import.csv", msgspec.structs.replace(KINDS["import.csv"], repeats_within=timedelta(0)))


async def test_cancelled_imports_make_room_at_once(
    app: Litestar, admin: AsyncClient, member: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.state.jobs.close()
    monkeypatch.setattr(service, "MOST_WAITING", 2)
    directory = config.data_dir / "imports"
    first, second = [(await begin(member, f"name\n{name}\n"))["job_id"] for name in ("Tea", "Salt")]
    another = {"file": ("x.csv", b"name\nMilk\n")}
    refused(await member.post("/imports", files=another), 503, "waiting already")
    (upload,) = [each for each in directory.glob("*/upload.csv") if "Tea" in each.read_text()]
    os.utime(upload, (time.time() - 60,) * 2)
    for id in (first, second):
        assert (await admin.post(f"/jobs/{id}/cancel")).status_code == 202
    await begin(member, "name\nMilk\n")
    # The oldest one made room; the other can still be run again.
    assert sorted(each.read_text() for each in directory.glob("*/upload.csv")) == ["name\nMilk\n", "name\nSalt\n"]


async def test_upload_of_a_cancelled_import_is_kept_for_a_week(
    app: Litestar, admin: AsyncClient, member: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.state.jobs.close()
    id = (await begin(member, "name\nTea\n"))["job_id"]
    assert (await admin.post(f"/jobs/{id}/cancel")).status_code == 202
    (upload,) = (config.data_dir / "imports").glob("*/upload.csv")
    imports = app.state.jobs._repeatable["import.csv"].__self__
    os.utime(upload, (time.time() - 2 * 3_600,) * 2)
    await imports._sweep()
    assert upload.exists()
    # A sweep that has read the jobs just before leaves its file.
    assert (await admin.post(f"/jobs/{id}/retry")).status_code == 202
    assert time.time() - upload.stat().st_mtime < 600
    assert (await admin.post(f"/jobs/{id}/cancel")).json()["can_retry"] is True
    os.utime(upload, (time.time() - 2 * 3_600,) * 2)
    end_week(monkeypatch)
    await imports._sweep()
    assert not upload.exists()
    assert (await get(admin, f"/jobs/{id}"))["can_retry"] is False


async def test_unclosed_quotation_mark_fails_the_import(member: AsyncClient) -> None:
    job = await failed(member, 'name,description\nTea,green\nSalt,"white\nPepper,black\n')
    assert (job["error_status"], job["attempts"]) == (422, 1)
    assert "line 3" in job["error"]
    for name in ("report.csv", "refused.csv"):
        refused(await member.get(f"/imports/{job['id']}/{name}"), 404, "failed", f"no {name}", job["error"])
    assert await get(member, "/items/") == []


TEXT = "name,description\r\nCafé,naïve – ünïcode 茶\r\n"

ENCODED = {
    "utf-8": (TEXT.encode(), {}),
    "utf-8 with a mark": (TEXT.encode("utf-8-sig"), {}),
    "utf-16 little": (b"\xff\xfe" + TEXT.encode("utf-16-le"), {}),
    "utf-16 big": (b"\xfe\xff" + TEXT.encode("utf-16-be"), {}),
    "cp1252": (TEXT.replace("茶", "x").encode("cp1252"), {"encoding": "cp1252"}),
}


@pytest.mark.one_database
@pytest.mark.parametrize("encoding", ENCODED)
async def test_text_is_read_in_its_encoding(encoding: str, member: AsyncClient) -> None:
    content, options = ENCODED[encoding]
    assert (await imported(member, content, **options))["applied"]
    (item,) = await get(member, "/items/")
    assert item["name"] == "Café"
    assert item["description"].startswith("naïve – ünïcode ")


@pytest.mark.one_database
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_delimiter_is_detected(delimiter: str, member: AsyncClient) -> None:
    rows = [
        ["name", "location", "quantity", "description"],
        ["Tea", "Shelf", "1", '"a, b; c|d"'],
        ["Salt", "Shelf", "2", ""],
    ]
    content = "\n".join(delimiter.join(row) for row in rows)
    started = await begin(member, content)
    assert started["delimiter"] == delimiter
    assert (await ended(member, started["job_id"]))["result"]["created"] == 2


async def test_quoted_line_break_counts_as_a_line(member: AsyncClient) -> None:
    report = await imported(
        member, 'name,description,min_quantity\nTea,"one\r\ntwo\n\nfour",1\n\nSalt,,x\n', partial="1"
    )
    assert report["errors"][0]["line"] == 7
    assert (await get(member, "/items/"))[0]["description"] == "one\r\ntwo\n\nfour"

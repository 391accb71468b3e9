"""Archives not made by Stocky are rejected before anything changes; Stocky makes none that would be rejected."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from httpx import AsyncClient

from stocky.backup.archive import reading as archive_reading
from stocky.backup.archive import writing as archive_writing
from stocky.backup.archive.reading import extract_dump
from stocky.backup.requests import ArchiveRequest
from stocky.config import Config
from stocky.errors import BadRequest, Conflict, TooLarge
from tests.backup.dumps import done, finished
from tests.documents.archiving import PHOTO, archived, contents, fill, rewritten
from tests.documents.files import HTML, pdf
from tests.inventory import get, refused

pytestmark = pytest.mark.one_server


def described(metadata: dict[str, Any], name: str, content: bytes) -> None:
    metadata["members"][name] = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    documents = [each for key, each in metadata["members"].items() if key.endswith(("0", *"123456789abcdef"))]
    metadata["documents_count"] = len(documents)
    metadata["documents_size_bytes"] = sum(each["size_bytes"] for each in documents)


def _another_content(members: dict[str, bytes], metadata: dict[str, Any]) -> None:
    name = next(name for name in members if name.startswith("documents/"))
    members[name] = pdf(mark="another")


def _html(members: dict[str, bytes], metadata: dict[str, Any]) -> None:
    name = f"documents/{hashlib.sha256(HTML).hexdigest()}"
    members[name] = HTML
    described(metadata, name, HTML)


def _added(name: str) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    def change(members: dict[str, bytes], metadata: dict[str, Any]) -> None:
        members[name] = PHOTO
        described(metadata, name, PHOTO)

    return change


def _not_described(members: dict[str, bytes], metadata: dict[str, Any]) -> None:
    members[f"documents/{'0' * 64}"] = PHOTO


def _missing(members: dict[str, bytes], metadata: dict[str, Any]) -> None:
    del members[next(name for name in members if name.startswith("documents/"))]


def _wrong_count(members: dict[str, bytes], metadata: dict[str, Any]) -> None:
    metadata["documents_count"] += 1


def _huge(members: dict[str, bytes], metadata: dict[str, Any]) -> None:
    name = next(name for name in members if name.startswith("documents/"))
    metadata["documents_size_bytes"] += 10**9 - metadata["members"][name]["size_bytes"]
    metadata["members"][name]["size_bytes"] = 10**9


HOSTILE: dict[str, Callable[[dict[str, bytes], dict[str, Any]], None]] = {
    "another content": _another_content,
    "a page": _html,
    "a path": _added("documents/../../evil"),
    "an absolute path": _added("/etc/cron.d/evil"),
    "a name that is no SHA-256": _added("documents/evil.pdf"),
    "a name in capitals": _added("documents/" + "A" * 64),
    "a name with a directory": _added("documents/contents/" + "0" * 64),
    "something else": _added("evil.sh"),
    "more than is described": _not_described,
    "less than is described": _missing,
    "another number": _wrong_count,
    "a size that is too large": _huge,
}


@pytest.mark.one_database
async def test_hostile_archives_are_rejected_and_change_nothing(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    _, file = await archived(admin, config)
    archive = file.read_bytes()
    before = await contents(config)
    accepted = []
    for name, change in HOSTILE.items():
        form: Any = {"file": ("evil.zip", rewritten(archive, change), "application/zip")}
        started = await admin.post("/system/restore?force=true", files=form)
        job = await finished(admin, started.json()["job_id"])
        if job["status"] != "failed" or job["error_status"] != 400 or "corrupted" not in job["error"]:
            accepted.append((name, job))
    assert accepted == []
    assert await contents(config) == before
    assert len(await get(admin, "/documents")) == 3
    assert not (config.data_dir / "evil").exists()


@pytest.mark.one_database
async def test_archive_larger_than_the_limit_is_rejected(
    admin: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await fill(admin)
    _, file = await archived(admin, config)
    with pytest.raises(TooLarge, match="STOCKY_MAX_RESTORE_GB"):
        extract_dump(file, tmp_path / "dump", 5_000_000)
    monkeypatch.setattr(archive_reading, "MAX_DOCUMENTS", 1)
    with pytest.raises(BadRequest, match="too many members"):
        extract_dump(file, tmp_path / "dump", 2**30)
    monkeypatch.setattr(archive_reading, "LARGEST_DIRECTORY", 100)
    with pytest.raises(BadRequest, match="more members than"):
        extract_dump(file, tmp_path / "dump", 2**30)


@pytest.mark.one_database
def test_too_large_member_list_is_rejected_before_it_is_read(tmp_path: Path) -> None:
    name, directory = b"a", 40 * 2**20
    large = tmp_path / "many.zip"
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + name
    count = directory // len(entry)
    content = entry * count
    size = len(content)
    plain = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, size, 0, 0)
    # The ZIP64 end record, with a contradicting plain one.
    long = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, 0)
    long += struct.pack("<4sLQL", b"PK\x06\x07", 0, size, 1)
    long += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 47, 0, 0)
    for end in (plain, long):
        large.write_bytes(content + end)
        with pytest.raises(BadRequest, match="more members than"):
            extract_dump(large, tmp_path / "dump", 2**30)


async def test_archive_that_could_not_be_restored_is_not_made(
    admin: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await fill(admin)
    request = ArchiveRequest(
        database_url=config.database_url,
        scratch=str(tmp_path),
        output=str(tmp_path / "archive.zip"),
        settings={},
        blobs=config.blobs,
    )
    monkeypatch.setattr(archive_writing, "MAX_DOCUMENTS", 2)
    made = await asyncio.to_thread(archive_writing.write_archive, request, lambda *_: None)
    assert made.documents_count == 2
    monkeypatch.setattr(archive_writing, "MAX_DOCUMENTS", 1)
    with pytest.raises(Conflict, match="there are 2"):
        await asyncio.to_thread(archive_writing.write_archive, request, lambda *_: None)
    refused(await admin.post("/system/backup", json={"kind": "archive"}), 409, "up to 1 document files", "kind sql")
    assert await get(admin, "/jobs", kind="backup.create") == []
    await done(admin, await admin.post("/system/backup", json={"kind": "sql"}))


def test_manifest_with_the_maximum_of_documents_is_read() -> None:
    name = f"documents/{'0' * 64}"
    described = msgspec.json.format(msgspec.json.encode({"members": {name: archive_reading.Member(10**8, "0" * 64)}}))
    assert len(described) * archive_reading.MAX_DOCUMENTS < archive_reading.LARGEST_METADATA
    # A directory entry of a ZIP, with the ZIP64 offset of a member beyond 4 GiB.
    entry = 46 + len(name) + 12
    assert entry * archive_reading.MAX_DOCUMENTS < archive_reading.LARGEST_DIRECTORY

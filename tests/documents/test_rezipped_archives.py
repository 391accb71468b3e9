"""Archives that file managers unpacked and zipped again are accepted; hostile ones are not."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from httpx import AsyncClient

from stocky.backup.archive.reading import BackupFile, extract_only_file, open_backup, open_contents
from stocky.config import Config
from stocky.errors import BadRequest, TooLarge
from tests.backup.dumps import done, take
from tests.cli.running import stocky
from tests.documents.archiving import archived, fill, rewritten
from tests.documents.test_hostile_archives import HOSTILE
from tests.inventory import get, new_item

Members = dict[str, bytes]


def members(archive: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def zipped(content: Members) -> bytes:
    """Zips the members as other programs do: in another order, and compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in sorted(content):
            # Passed unchanged: zipfile itself would convert Windows separators.
            info = zipfile.ZipInfo("x")
            info.filename = name
            made.writestr(info, content[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


def around(content: Members, folder: str) -> Members:
    return {f"{folder}{name}": each for name, each in content.items()}


def as_macos(content: Members) -> Members:
    folder = "stocky-backup 2/"
    again = around(content, folder)
    extra = {f"__MACOSX/{folder}._{name.rpartition('/')[2]}": b"\0\5\x16\7" for name in content}
    files = {".DS_Store": b"x", f"{folder}.DS_Store": b"x", f"{folder}documents/.DS_Store": b"x", f"{folder}._x": b"x"}
    return again | extra | files | dict.fromkeys((folder, f"{folder}documents/", "__MACOSX/"), b"")


REZIPPED: dict[str, Callable[[Members], Members]] = {
    "packed": lambda content: content,
    "directory entries": lambda content: content | {"documents/": b""},
    "a folder around": lambda content: around(content, "stocky-backup/"),
    "macOS": as_macos,
    "Windows": lambda content: {
        name.replace("/", "\\"): each
        for name, each in (around(content, "Backup/") | {"Backup/Thumbs.db": b"x"}).items()
    },
    "zip -r with a dot": lambda content: around(content, "./"),
    "packed once more": lambda content: {"stocky-backup.zip": zipped(content), "__MACOSX/._stocky-backup.zip": b"x"},
    "once more, in a folder": lambda content: {"backups/": b"", "backups/a.zip": zipped(as_macos(content))},
}

REJECTED: dict[str, Callable[[Members], Members]] = {
    "two folders around": lambda content: around(content, "a/b/"),
    "half of it in a folder": lambda content: content | around(content, "a/"),
    "two folders side by side": lambda content: around(content, "a/") | around(content, "b/"),
    "something else beside the folder": lambda content: around(content, "a/") | {"evil.sh": b"x"},
    "something else in the folder": lambda content: around(content | {"evil.sh": b"x"}, "a/"),
    "a folder that climbs": lambda content: around(content, "../"),
    "an absolute folder": lambda content: around(content, "/"),
    "a climbing file among what is passed over": lambda content: content | {"__MACOSX/../../evil": b"x"},
    "an absolute file that would be passed over": lambda content: content | {"/etc/.DS_Store": b"x"},
    "another climbing one": lambda content: content | {"../.DS_Store": b"x"},
    "a directory with content": lambda content: content | {"documents/": b"evil"},
    "a folder more": lambda content: content | {"evil/": b""},
    "the same twice": lambda content: content | {"./settings.json": content["settings.json"]},
    "three times packed": lambda content: {"a.zip": zipped({"b.zip": zipped({"c.zip": zipped(content)})})},
    "a page alone": lambda _: {"index.html": b"<html>"},
    "nothing": lambda _: {},
}


def is_taken(config: Config, archive: bytes, directory: Path) -> BackupFile:
    file = directory / "archive.zip"
    file.write_bytes(archive)
    return asyncio.run(open_backup(file, directory, config))


def rejection(config: Config, archive: bytes, directory: Path) -> str:
    """The message for a rejected archive, empty for an accepted one."""
    try:
        is_taken(config, archive, directory)
    except BadRequest as error:
        return error.detail
    return ""


@pytest.fixture
def archive(environ: dict[str, str], config: Config, tmp_path: Path) -> bytes:
    """An archive without documents, made on the command line."""
    file = tmp_path / "all.zip"
    assert stocky(environ, "backup", "-o", str(file)).returncode == 0
    return file.read_bytes()


@pytest.mark.one_database
def test_rezipped_archive_is_the_same(archive: bytes, config: Config, tmp_path: Path) -> None:
    content = members(archive)
    for name, change in REZIPPED.items():
        found = is_taken(config, zipped(change(content)), tmp_path)
        assert found.dump.read_bytes() == content["database.sql.gz"], name
    for name, change in REJECTED.items():
        assert "corrupted" in rejection(config, zipped(change(content)), tmp_path), name


@pytest.mark.one_database
async def test_rezipped_hostile_archives_are_rejected(admin: AsyncClient, config: Config, tmp_path: Path) -> None:
    await fill(admin)
    _, file = await archived(admin, config)
    whole = await asyncio.to_thread(file.read_bytes)
    taken = await asyncio.to_thread(is_taken, config, zipped(as_macos(members(whole))), tmp_path)
    assert len(taken.contents) == 2
    assert taken.archive is not None
    with open_contents(taken.archive) as pieces:
        assert {sha256: sum(map(len, pieces(sha256))) for sha256 in taken.contents} == taken.contents
    for name, change in HOSTILE.items():
        evil = members(rewritten(whole, change))
        for again in REZIPPED.values():
            assert "corrupted" in await asyncio.to_thread(rejection, config, zipped(again(evil)), tmp_path), name


@pytest.mark.one_database
async def test_zip_of_one_dump_is_opened_within_the_size_limit(
    admin: AsyncClient, environ: dict[str, str], config: Config, tmp_path: Path
) -> None:
    dump = await take(admin)
    file = tmp_path / "mail.zip"
    await asyncio.to_thread(file.write_bytes, zipped({"backup (1).sql.gz": dump, ".DS_Store": b"x"}))
    done_ = await asyncio.to_thread(stocky, environ, "verify", str(file))
    assert done_.returncode == 0, done_.stdout
    bomb = zipped({"backup.sql": b"-" * (3 * 2**20)})
    with pytest.raises(TooLarge, match="STOCKY_MAX_RESTORE_GB"):
        await asyncio.to_thread(bounded, bomb, tmp_path)


def bounded(content: bytes, directory: Path) -> None:
    (directory / "bomb.zip").write_bytes(content)
    extract_only_file(directory / "bomb.zip", directory / "out", 2**20)


async def test_rezipped_archive_is_uploaded_and_restored(admin: AsyncClient, config: Config) -> None:
    documents = await fill(admin)
    _, file = await archived(admin, config)
    await new_item(admin, "Later")
    again = zipped(as_macos(members(await asyncio.to_thread(file.read_bytes))))
    form = {"file": ("stocky-backup 2.zip", again, "application/zip")}
    valid = await done(admin, await admin.post("/system/restore?validate_only=true", files=form))
    assert (valid["valid"], valid["documents_count"]) == (True, 2)
    result = await done(admin, await admin.post("/system/restore?force=true", files=form))
    assert result["documents_count"] == 2
    assert await get(admin, "/documents") == documents
    assert "Later" not in {item["name"] for item in await get(admin, "/items/")}

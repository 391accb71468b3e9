"""Dumps as users have them: unpacked, packed twice, changed by an editor or browser, edited, or other files."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from httpx import AsyncClient

from stocky.backup.load import dump_text, reading
from stocky.backup.load.loading import load
from stocky.backup.requests import LoadRequest, LoadResult
from stocky.config import Config
from stocky.errors import BadRequest, StockyError, TooLarge
from tests.architecture import schema
from tests.backup.dumps import as_json, packed, take, text_of
from tests.backup.test_backup_api import FULL, PARTIAL, UPLOAD_FULL, form
from tests.cli.running import stocky
from tests.inventory import get, made, new_item, new_location, new_stock, refused

pytestmark = pytest.mark.one_server

BOM = b"\xef\xbb\xbf"


def crlf(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


# Changes to a dump's file that keep every row.
AS_GIVEN: dict[str, Callable[[bytes], bytes]] = {
    "unpacked": lambda text: text,
    "gzipped twice": lambda text: gzip.compress(gzip.compress(text)),
    "gzipped three times": lambda text: gzip.compress(gzip.compress(gzip.compress(text))),
    "in two gzip members": lambda text: gzip.compress(text[:5000]) + gzip.compress(text[5000:]),
    "with CR LF": crlf,
    "with CR LF, gzipped": lambda text: gzip.compress(crlf(text)),
    "with a BOM": lambda text: BOM + text,
    "with a BOM and CR LF": lambda text: BOM + crlf(text),
    "without its last line end": lambda text: text.removesuffix(b"\n"),
    "with CR LF, without its last line end": lambda text: crlf(text).removesuffix(b"\r\n"),
    "with blank lines at its end": lambda text: text + b"\n \n\n",
}

# Files that are not valid backups, and the expected error.
NOT_TAKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut in its last line": (lambda text: text[:-40], "truncated"),
    "without its last line": (lambda text: text[: text.rindex(b"-- complete")], "truncated"),
    "cut gzip": (lambda text: gzip.compress(text)[:-30], "Invalid gzip file: it is truncated"),
    "cut gzip in gzip": (lambda text: gzip.compress(gzip.compress(text)[:-30]), "Invalid gzip file: it is truncated"),
    "damaged gzip": (lambda text: gzip.compress(text)[:-8] + b"damaged!", "Invalid gzip file: it is damaged"),
    "gzipped five times": (
        lambda text: gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(text))))),
        "more than 3 times",
    ),
    "UTF-16": (lambda text: text.decode().encode("utf-16"), "UTF-16"),
    "gzipped UTF-16": (lambda text: gzip.compress(text.decode().encode("utf-16")), "UTF-16"),
    "Latin-1": (lambda text: text.decode().encode("latin-1"), "not in UTF-8"),
    "trailing blanks removed": (lambda text: text.replace(b"blank \n", b"blank\n"), "text does not match the checksum"),
    "a web page": (lambda _: b"<!DOCTYPE html><title>Sign in</title>", "web page"),
    "JSON": (lambda _: b'{"status": 401, "detail": "Authentication required"}', "JSON"),
    "xz": (lambda _: b"\xfd7zXZ\x00\x00\x04", "unxz"),
    "zstd": (lambda _: b"\x28\xb5\x2f\xfd\x24\x00", "unzstd"),
    "base64": (lambda text: base64.b64encode(gzip.compress(text, mtime=0)), "base64 -d"),
    "bytes taken for text": (
        lambda text: gzip.compress(text).decode("utf-8", "replace").encode(),
        "treated the gzip file as text",
    ),
    "zlib without gzip": (lambda text: zlib.compress(text), "neither gzip"),
    "nothing": (lambda _: b"", "empty"),
    "nothing, unpacked": (lambda _: b"\n\n", "neither gzip"),
    "sqlite3's .dump": (
        lambda _: b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE x(y);\n",
        "cat FILE | sql",
    ),
    "sqlite3's .dump, gzipped": (
        lambda _: gzip.compress(b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"),
        "zcat FILE | sqlite3 stocky-old.db\n  stocky restore stocky-old.db",
    ),
    "pg_dump": (lambda _: b"--\n-- PostgreSQL database dump\n--\n\n", "cat FILE | psql"),
    "pg_dump with CR LF": (lambda _: b"--\r\n-- PostgreSQL database dump\r\n--\r\n", "cat FILE | psql"),
    "pg_dump -Fc": (lambda _: b"PGDMP\x01\x0e\x00", "pg_restore --no-owner -d stocky_old FILE"),
}


def silent(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


def loaded(content: bytes, directory: Path, *, max_bytes: int = 2**30, accept_edited: bool = False) -> LoadResult:
    file, scratch = directory / "given", directory / "scratch.db"
    file.write_bytes(content)
    scratch.unlink(missing_ok=True)
    return load(
        LoadRequest(
            dump=str(file), scratch=str(scratch), purpose="full", max_bytes=max_bytes, accept_edited=accept_edited
        ),
        silent,
    )


async def fill(admin: AsyncClient) -> None:
    shelf, tea = await new_location(admin, "Küche"), await new_item(admin, "Tea")
    await new_stock(admin, tea, shelf, 5)
    await new_item(admin, "Salt")
    await new_item(admin, "line\nbreak, and a blank \nat its end")


@pytest.mark.one_database
async def test_repackaged_dump_with_complete_text_is_accepted(admin: AsyncClient, tmp_path: Path) -> None:
    await fill(admin)
    text = gzip.decompress(await take(admin))
    expected = loaded(gzip.compress(text), tmp_path).rows
    assert expected["item"] == 3
    for name, given in AS_GIVEN.items():
        result = loaded(given(text), tmp_path)
        assert (result.rows, result.warnings, result.is_as_made) == (expected, [], True), name


@pytest.mark.one_database
async def test_damage_is_named_before_what_was_read(
    admin: AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(admin)
    text = gzip.decompress(await take(admin))
    # Read in parts, as a large dump is.
    monkeypatch.setattr(reading, "CHUNK", 8192)
    monkeypatch.setattr(dump_text, "BEGINNING", 8192)
    statement = text.replace(b"INSERT INTO", b"INSERT INTI", 1)
    # A packed file in which a byte flipped can often be unpacked, but has another checksum.
    checksum = gzip.compress(text)[-8:]
    for damaged in (statement, text.replace(b"Stocky", b"Stokky", 1)):
        with pytest.raises(BadRequest, match=r"^Invalid gzip file: it is damaged .*\. The first fault: "):
            loaded(gzip.compress(damaged)[:-8] + checksum, tmp_path)
    for damaged in (statement, gzip.compress(BOM + crlf(text.replace(b"\xc3\xbc", b"\xff\xbc", 1)))):
        with pytest.raises(BadRequest, match=r"^The backup is damaged: its text does not match .* The first fault: "):
            loaded(damaged, tmp_path)
    # Edited on purpose, it is as before.
    with pytest.raises(BadRequest, match=r"^Statement "):
        loaded(statement, tmp_path, accept_edited=True)


@pytest.mark.one_database
async def test_large_dump_with_crlf_is_accepted(admin: AsyncClient, config: Config, tmp_path: Path) -> None:
    await new_item(admin)
    known = json.dumps({"known": list(range(400_000))}, indent=0)
    await schema.run_beside(config, f"UPDATE item SET upc_data = '{known}'")
    text = gzip.decompress(await take(admin))
    assert len(text) > 2 * 2**20
    assert loaded(gzip.compress(crlf(text), 1), tmp_path).is_as_made


@pytest.mark.one_database
async def test_rejection_names_the_file_kind_and_next_step(admin: AsyncClient, tmp_path: Path) -> None:
    await fill(admin)
    text = gzip.decompress(await take(admin))
    for name, (given, reason) in NOT_TAKEN.items():
        content = given(text)
        assert content != text, name
        with pytest.raises(BadRequest) as refusal:
            loaded(content, tmp_path)
        assert reason in refusal.value.detail, (name, refusal.value.detail)


@pytest.mark.one_database
async def test_every_gzip_layer_is_bounded(admin: AsyncClient, tmp_path: Path) -> None:
    text = gzip.decompress(await take(admin))
    zeros = gzip.compress(text[: text.index(b"BEGIN")] + (b"--" + b" " * 1_000 + b"\n") * (75 * 2**10), 9)
    # Each compresses well again, since the text is uniform.
    for content in (zeros, gzip.compress(zeros), gzip.compress(gzip.compress(zeros))):
        with pytest.raises(BadRequest, match="far more bytes than text"):
            loaded(content, tmp_path)
    # A large intermediate layer with almost no content.
    empty = b"\x1f\x8b\x08\x04" + bytes(6) + b"\xff\xff" + bytes(65_535) + b"\x03\x00" + bytes(8)
    assert gzip.decompress(empty * 2) == b""
    empty_members = gzip.compress(empty * 2_000 + gzip.compress(text))
    assert len(empty_members) < 2**20
    with pytest.raises(BadRequest, match="far more bytes than text"):
        loaded(empty_members, tmp_path)
    for content in (gzip.compress(text), gzip.compress(gzip.compress(text))):
        loaded(content, tmp_path, max_bytes=len(text))
        with pytest.raises(TooLarge, match="STOCKY_MAX_RESTORE_GB"):
            loaded(content, tmp_path, max_bytes=len(text) - 1)


@pytest.mark.one_database
async def test_edited_dump_needs_accept_edited_and_passes_all_other_checks(admin: AsyncClient, tmp_path: Path) -> None:
    await fill(admin)
    text = text_of(await take(admin))
    edited = text.replace("'Tea'", "'Green tea'")
    with pytest.raises(BadRequest, match="accept_edited=true"):
        loaded(packed(edited), tmp_path)
    result = loaded(packed(edited), tmp_path, accept_edited=True)
    assert result.warnings == ["The backup was edited after it was made: item (3 rows written, 3 read)"]
    assert not result.is_as_made
    assert loaded(packed(text), tmp_path, accept_edited=True).warnings == []
    lines = edited.splitlines(keepends=True)
    one_less = "".join(line for line in lines if not line.startswith('INSERT INTO "item" VALUES(2,'))
    assert "(3 rows written, 2 read)" in loaded(packed(one_less), tmp_path, accept_edited=True).warnings[0]
    wrong = {
        "its last line is missing": edited[: edited.index("-- complete")],
        "is not the sum": edited.replace("5000,'piece'", "6000,'piece'"),
        "refer to a missing item": "".join(
            line for line in lines if not line.startswith('INSERT INTO "item" VALUES(1,')
        ),
        "no active admin": edited.replace("'admin',1,", "'admin',0,"),
        "is rejected": edited.replace("COMMIT;", "DROP TABLE item;\nCOMMIT;"),
    }
    for reason, content in wrong.items():
        assert content != edited, reason
        with pytest.raises(StockyError, match=reason):
            loaded(packed(content), tmp_path, accept_edited=True)


async def test_uploads_are_accepted_under_browser_names(admin: AsyncClient) -> None:
    await fill(admin)
    dump = await take(admin)
    text = gzip.decompress(dump)
    await new_item(admin, "Newer")
    given = {
        "backup (1).sql.gz": dump,
        "backup.sql (1).gz": dump,
        "stocky_backup_20260101_000000.sql": crlf(text),
        "BACKUP.SQL.GZ": text,
    }
    for name, content in given.items():
        answer = made(await admin.post(f"{UPLOAD_FULL}?dry_run=true", files=form(content, name)))
        assert answer["rows"]["item"] == {"before": 4, "after": 3}, name
    refused(await admin.post(f"{UPLOAD_FULL}?dry_run=true", files=form(dump, "backup.zip")), 400, "/system/restore")
    refused(await admin.post("/system/restore?force=true", files=form(dump, "backup.sql")), 400, "/upload/import/full")
    made(await admin.post(f"{UPLOAD_FULL}?force=true", files=form(BOM + text, "backup.sql")))
    assert len(await get(admin, "/items/")) == 3


async def test_every_import_takes_accept_edited(admin: AsyncClient) -> None:
    await fill(admin)
    dump = await take(admin)
    edited = packed(text_of(dump).replace("'Tea'", "'Green tea'"))
    reason = "accept_edited=true"
    for path in (FULL, PARTIAL):
        refused(await admin.post(path, json=as_json(edited, force=True)), 400, reason)
    refused(await admin.post(f"{UPLOAD_FULL}?force=true", files=form(edited)), 400, reason)
    warning = "edited after it was made: item"
    partial = made(await admin.post(PARTIAL, json=as_json(edited, force=True, accept_edited=True)))
    assert (partial["records_imported"], warning in str(partial["warnings"])) == (0, True)
    for answer in (
        await admin.post(FULL, json=as_json(edited, dry_run=True, accept_edited=True)),
        await admin.post(f"{UPLOAD_FULL}?dry_run=true&accept_edited=true", files=form(edited)),
        await admin.post(UPLOAD_FULL, files=form(edited), data={"force": "true", "accept_edited": "true"}),
    ):
        assert warning in str(made(answer)["warnings"])
    assert {item["name"] for item in await get(admin, "/items/")} >= {"Green tea"}


async def test_command_line_accepts_the_same_files(
    admin: AsyncClient, environ: dict[str, str], config: Config, tmp_path: Path
) -> None:
    await fill(admin)
    text = gzip.decompress(await take(admin))
    plain, edited = tmp_path / "backup (1).sql", tmp_path / "edited.txt"
    plain.write_bytes(BOM + crlf(text))
    edited.write_bytes(text.replace(b"'Tea'", b"'Green tea'"))

    async def typed(*words: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(stocky, environ, *words)

    done = await typed("verify", str(plain))
    assert (done.returncode, "each as it was backed up" in done.stdout) == (0, True), done.stdout
    for command in (("verify",), ("restore", "--dry-run")):
        done = await typed(*command, str(edited))
        assert done.returncode == 1
        assert "--accept-edited" in done.stdout + done.stderr
        done = await typed(*command, str(edited), "--accept-edited")
        assert done.returncode == 0, done.stderr
        assert "edited after it was made: item" in done.stdout
        assert "as it was backed up" not in done.stdout


async def test_text_with_line_ends_survives_an_editor_or_is_rejected(
    admin: AsyncClient, dialect: str, tmp_path: Path
) -> None:
    await new_item(admin, "one\r\ntwo")
    text = gzip.decompress(await take(admin))
    # Like an editor: every line end becomes CR LF, also inside texts.
    content = crlf(text.replace(b"\r\n", b"\n"))
    if dialect == "sqlite":
        # There a dump spells them out.
        assert loaded(content, tmp_path).is_as_made
    else:
        with pytest.raises(BadRequest, match="an editor changed its line ends"):
            loaded(content, tmp_path)


@pytest.mark.one_database
@pytest.mark.skipif(not shutil.which("sqlite3"), reason="sqlite3 is not installed here")
def test_commands_suggested_for_a_sqlite3_dump_work(environ: dict[str, str], config: Config, tmp_path: Path) -> None:
    dumped = subprocess.run(["sqlite3", str(config.sqlite_path), ".dump"], capture_output=True, check=True)
    file = tmp_path / "FILE"
    file.write_bytes(dumped.stdout)
    refusal = stocky(environ, "restore", str(file), "--force")
    assert refusal.returncode == 1
    lines = [line.strip() for line in refusal.stderr.splitlines() if line.startswith("  ")]
    assert len(lines) == 2
    subprocess.run(["bash", "-euc", lines[0]], cwd=tmp_path, check=True)
    done = stocky(environ, *lines[1].replace("stocky-old.db", str(tmp_path / "stocky-old.db")).split()[1:], "--force")
    assert done.returncode == 0, done.stderr

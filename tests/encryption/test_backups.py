"""Encrypted backups over HTTP: made, downloaded, test-restored, restored, imported, and refused without the key."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyrage
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.backup.encryption.format import method_of
from stocky.backup.service import Backups
from stocky.backup.store import Kind, Reason
from stocky.config import Config, load
from stocky.errors import Locked
from tests.backup.dumps import as_json, done, finished, take
from tests.encryption.keys import (
    BY_PASSPHRASE,
    FOR_RECIPIENTS,
    IDENTITY,
    OTHER_PASSPHRASE,
    PASSPHRASE,
)
from tests.inventory import Json, get, made, new_item, refused
from tests.offsite.making import ignore_progress

pytestmark = pytest.mark.one_server

WRONG = "The passphrase does not open this backup"


@pytest.fixture
def environ(environ: dict[str, str], encryption: dict[str, str]) -> dict[str, str]:
    return environ | encryption


def opened(content: bytes) -> bytes:
    """The content, decrypted by pyrage."""
    if method_of(content) == "passphrase":
        return bytes(pyrage.passphrase.decrypt(content, PASSPHRASE))
    return bytes(pyrage.decrypt(content, [pyrage.x25519.Identity.from_str(IDENTITY)]))


def encrypted(content: bytes, passphrase: str = PASSPHRASE) -> bytes:
    """The content as another installation encrypts it."""
    from stocky.backup.encryption.settings import EncryptionSettings
    from stocky.backup.encryption.writing import encrypting

    file = io.BytesIO()
    with encrypting(file, EncryptionSettings(passphrase=passphrase)) as target:
        target.write(content)
    return file.getvalue()


async def names(admin: AsyncClient) -> list[str]:
    return sorted(item["name"] for item in await get(admin, "/items/"))


async def back_up(admin: AsyncClient, kind: str = "sql") -> Json:
    backup: Json = await done(admin, await admin.post("/system/backup", json={"kind": kind, "verify": True}))
    return backup


@pytest.mark.parametrize("kind", ["sql", "archive"])
async def test_stored_backup_is_encrypted_good_and_restores(
    admin: AsyncClient, config: Config, encryption: dict[str, str], kind: str
) -> None:
    coffee = await new_item(admin, "Coffee")
    backup = await back_up(admin, kind)
    method = "passphrase" if encryption is BY_PASSPHRASE else "recipients"
    assert (backup["encrypted"], backup["encryption"], backup["locked_by"]) == (True, method, None)
    assert backup["is_good"], backup["problems"]
    assert backup["filename"].endswith(".zip.age" if kind == "archive" else ".sql.gz.age")

    answer = await admin.get(f"/system/backup/{backup['timestamp']}/download")
    content = answer.content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert content == (config.backup_dir / backup["filename"]).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (backup["size_bytes"], backup["sha256"])
    part = await admin.get(f"/system/backup/{backup['timestamp']}/download", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])
    plain = opened(content)
    if kind == "archive":
        with zipfile.ZipFile(io.BytesIO(plain)) as archive:
            assert archive.testzip() is None
            plain = archive.read("database.sql.gz")
    assert b"'Coffee'" in gzip.decompress(plain)

    made(await admin.patch(f"/items/{coffee['id']}", json={"name": "Oh no"}))
    path = f"/system/backup/{backup['timestamp']}/restore"
    compared = await done(admin, await admin.post(path, params={"dry_run": True}))
    assert compared["changes"]["item"]["examples_changed"] == ["Oh no -> Coffee (name)"]
    await done(admin, await admin.post(path, params={"force": True}))
    assert await names(admin) == ["Coffee"]
    before = next(each for each in await get(admin, "/system/backup/list") if each["reason"] == "before_restore")
    assert before["encrypted"]
    assert b"'Oh no'" in gzip.decompress(opened((config.backup_dir / before["filename"]).read_bytes()))


async def test_download_is_encrypted_while_it_is_made_and_is_imported(admin: AsyncClient, config: Config) -> None:
    await new_item(admin, "Coffee")
    answer = await admin.post("/backup/create/full/download")
    assert answer.headers["content-disposition"].endswith(".sql.gz.age")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert b"'Coffee'" in gzip.decompress(opened(answer.content))
    await new_item(admin, "Tea")
    files = {"file": ("backup.sql.gz.age", answer.content)}
    assert made(await admin.post("/backup/upload/import/full?force=true", files=files))["success"]
    assert await names(admin) == ["Coffee"]
    added = made(await admin.post("/backup/upload/import/partial?force=true", files=files))
    assert added["records_imported"] == 0
    assert made(await admin.post("/backup/import/partial", json=as_json(answer.content, force=True)))["success"]
    # Nothing is left but stored backups.
    assert [each for each in config.backup_dir.iterdir() if each.name.startswith(".work")] == []


async def test_uploaded_archive_is_validated(admin: AsyncClient, config: Config) -> None:
    await new_item(admin, "Coffee")
    backup = await back_up(admin, "archive")
    files = {"file": ("stocky.zip.age", (config.backup_dir / backup["filename"]).read_bytes())}
    assert (await done(admin, await admin.post("/system/restore?validate_only=true", files=files)))["valid"]


async def test_scheduled_backup_is_encrypted(app: Litestar, admin: AsyncClient) -> None:
    await new_item(admin)
    job_id = await app.state.jobs.enqueue("backup.scheduled", {})
    assert (await finished(admin, job_id))["status"] == "done"
    (backup,) = await get(admin, "/system/backup/list")
    assert backup["encrypted"]
    assert backup["is_good"]


async def test_damaged_backup_does_not_verify(admin: AsyncClient, config: Config) -> None:
    await new_item(admin)
    backup = await back_up(admin)
    file = config.backup_dir / backup["filename"]
    whole = file.read_bytes()
    damaged_header = bytearray(whole)
    damaged_header[60] = ord("A") if whole[60] != ord("A") else ord("B")
    for content in (whole[:-1] + bytes([whole[-1] ^ 1]), bytes(damaged_header)):
        file.write_bytes(content)
        tested = await done(admin, await admin.post(f"/system/backup/{backup['timestamp']}/verify"))
        assert not tested["is_good"]
        assert "damaged" in tested["problems"][0]
    file.write_bytes(whole[:-100])
    tested = await done(admin, await admin.post(f"/system/backup/{backup['timestamp']}/verify"))
    assert "truncated" in tested["problems"][0]


async def test_backups_without_encryption_stay_usable(
    admin: AsyncClient, config: Config, environ: dict[str, str]
) -> None:
    await new_item(admin, "Coffee")
    plain = load({name: value for name, value in environ.items() if not name.startswith("STOCKY_BACKUP_")})
    older = await Backups(plain).create(Kind.SQL, Reason.API, ignore_progress)
    newer = await back_up(admin)
    listed = {each["timestamp"]: each["encrypted"] for each in await get(admin, "/system/backup/list")}
    assert listed == {older.id: False, newer["timestamp"]: True}
    tested = await done(admin, await admin.post(f"/system/backup/{older.id}/verify"))
    assert tested["is_good"]
    # And without the keys the encrypted one is listed, and says what is missing.
    with pytest.raises(Locked, match=r"STOCKY_BACKUP_(PASSPHRASE|IDENTITY) is not set"):
        await Backups(plain).verify(newer["timestamp"], ignore_progress)
    stored = await Backups(plain).get_backup(newer["timestamp"])
    assert stored.is_good


async def test_file_copied_here_is_recognised(admin: AsyncClient, config: Config) -> None:
    await new_item(admin, "Coffee")
    backup = await back_up(admin, "archive")
    content = (config.backup_dir / backup["filename"]).read_bytes()
    (config.backup_dir / "my archive.zip.age").write_bytes(content)
    found = next(each for each in await get(admin, "/system/backup/list") if each["reason"] == "found")
    assert (found["kind"], found["encryption"]) == ("archive", backup["encryption"])
    tested = await done(admin, await admin.post(f"/system/backup/{found['timestamp']}/verify"))
    assert tested["is_good"]


@pytest.mark.parametrize("encryption", ["passphrase"], indirect=True)
async def test_passphrase_of_another_installation_is_sent_with_the_file(admin: AsyncClient) -> None:
    await new_item(admin, "Coffee")
    dump = encrypted(opened(await take(admin)), OTHER_PASSPHRASE)
    await new_item(admin, "Tea")
    files = {"file": ("backup.sql.gz.age", dump)}
    path = "/backup/upload/import/full?force=true"
    for fields in ({}, {"passphrase": "not that one either"}):
        assert WRONG in refused(await admin.post(path, files=files, data=fields), 400)["detail"]
    assert WRONG in refused(await admin.post("/backup/import/full", json=as_json(dump, force=True)), 400)["detail"]
    assert await names(admin) == ["Coffee", "Tea"]
    json_body = as_json(dump, force=True, passphrase=OTHER_PASSPHRASE, dry_run=True)
    assert made(await admin.post("/backup/import/full", json=json_body))["success"]
    assert made(await admin.post(path, files=files, data={"passphrase": OTHER_PASSPHRASE}))["success"]
    assert await names(admin) == ["Coffee"]


@pytest.mark.parametrize("encryption", ["passphrase"], indirect=True)
async def test_stored_backup_of_an_earlier_passphrase_is_not_called_damaged(
    admin: AsyncClient, environ: dict[str, str]
) -> None:
    await new_item(admin)
    earlier = Backups(load(environ | {"STOCKY_BACKUP_PASSPHRASE": OTHER_PASSPHRASE}))
    backup = await earlier.create(Kind.SQL, Reason.API, ignore_progress)
    started = await admin.post(f"/system/backup/{backup.id}/verify")
    job = await finished(admin, started.json()["job_id"])
    assert job["status"] == "failed"
    assert WRONG in job["error"]
    (listed,) = await get(admin, "/system/backup/list")
    assert (listed["problems"], listed["verified_at"]) == ([], None)


async def test_metadata_beside_the_file_has_no_secret(admin: AsyncClient, config: Config) -> None:
    await new_item(admin, "Coffee")
    backup = await back_up(admin)
    described = (config.backup_dir / f"{backup['filename']}.json").read_text()
    assert json.loads(described)["encryption"] == backup["encryption"]
    assert PASSPHRASE not in described
    assert "Coffee" not in described
    assert "AGE-SECRET" not in described


@pytest.mark.parametrize("encryption", ["recipients"], indirect=True)
async def test_every_recipient_opens_a_backup(environ: dict[str, str], tmp_path: Path, config: Config) -> None:
    from tests.encryption.keys import RECIPIENT, new_identity

    other_identity, other = new_identity()
    both = load(environ | {"STOCKY_BACKUP_RECIPIENTS": f"{RECIPIENT},{other}"})
    backups: Any = Backups(both)
    made_backup = await backups.create(Kind.SQL, Reason.API, ignore_progress)
    reading = {name: value for name, value in environ.items() if name != "STOCKY_BACKUP_RECIPIENTS"}
    assert (
        await Backups(load(reading | {"STOCKY_BACKUP_IDENTITY": other_identity})).verify(
            made_backup.id, ignore_progress
        )
    ).is_good
    stranger = {"STOCKY_BACKUP_IDENTITY": new_identity()[0]}
    with pytest.raises(Locked, match="STOCKY_BACKUP_IDENTITY does not open this backup"):
        await Backups(load(reading | stranger)).verify(made_backup.id, ignore_progress)
    assert FOR_RECIPIENTS["STOCKY_BACKUP_IDENTITY"] == IDENTITY

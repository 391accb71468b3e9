"""`stocky restore` and `stocky verify` from off site, also into an empty installation; `stocky offsite` lists."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from stocky.backup.offsite.service import Copied, Offsite
from stocky.backup.service import Backups
from stocky.backup.store import Kind, Reason, StoredBackup
from stocky.config import load
from tests.architecture import schema
from tests.cli.running import stocky
from tests.offsite.making import add_backup, ignore_progress


@pytest.fixture
def environ(environ: dict[str, str], offsite_environ: dict[str, str]) -> dict[str, str]:
    return environ | offsite_environ


@pytest.fixture
def new_machine(offsite_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of an empty installation with the same destination."""
    return offsite_environ | {"STOCKY_DATA_DIR": str(tmp_path_factory.mktemp("new") / "data")}


async def copy_outstanding(environ: dict[str, str]) -> Copied:
    config = load(environ)
    result = await Offsite(config, Backups(config)).copy_outstanding(ignore_progress)
    assert result.failed == []
    return result


def back_up(environ: dict[str, str]) -> StoredBackup:
    """A test-restored backup of the data, copied off site."""

    async def make() -> StoredBackup:
        backups = Backups(load(environ))
        made = await backups.create(Kind.SQL, Reason.SCHEDULED, ignore_progress)
        made = await backups.verify(made.id, ignore_progress)
        await copy_outstanding(environ)
        return made

    return asyncio.run(make())


@pytest.mark.parametrize("how", ["latest", "name", "address"])
def test_copy_is_restored_into_an_empty_installation(
    how: str, environ: dict[str, str], new_machine: dict[str, str]
) -> None:
    backup = back_up(environ)
    address = f"{environ['STOCKY_OFFSITE_URL']}/{backup.filename}"
    source = {"latest": ["--offsite", "latest"], "name": ["--offsite", backup.filename], "address": [address]}[how]
    if how == "address":
        # The bucket need not be one that is set.
        del new_machine["STOCKY_OFFSITE_URL"]
    checked = stocky(new_machine, "verify", *source)
    assert checked.returncode == 0, checked.stderr
    assert "restores" in checked.stdout
    dry = stocky(new_machine, "restore", *source, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert not Path(new_machine["STOCKY_DATA_DIR"]).exists(), "reading makes nothing"
    restored = stocky(new_machine, "restore", *source, "--force")
    assert restored.returncode == 0, restored.stderr
    config = load(new_machine)
    assert schema.run(config, "SELECT count(*) FROM user_account") == schema.run(
        load(environ), "SELECT count(*) FROM user_account"
    )
    assert stocky(new_machine, "check").returncode == 0
    assert [each.name for each in config.backup_dir.iterdir() if each.name.startswith(".work-")] == []


@pytest.mark.parametrize("how", ["latest", "name"])
def test_increment_is_restored_with_its_chain(how: str, environ: dict[str, str], new_machine: dict[str, str]) -> None:
    async def make() -> StoredBackup:
        backups = Backups(load(environ))
        for _ in range(3):
            made = await backups.create(Kind.SQL, Reason.SCHEDULED, ignore_progress, incremental=True)
        await copy_outstanding(environ)
        return made

    last = asyncio.run(make())
    assert last.parent_sha256 is not None
    source = ["--offsite", "latest" if how == "latest" else last.filename]
    checked = stocky(new_machine, "verify", *source)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    restored = stocky(new_machine, "restore", *source, "--force")
    assert restored.returncode == 0, restored.stderr
    assert stocky(new_machine, "check").returncode == 0


def test_copies_are_listed_without_a_database(environ: dict[str, str], new_machine: dict[str, str]) -> None:
    backup = back_up(environ)
    listed = stocky(new_machine, "offsite")
    assert listed.returncode == 0, listed.stderr
    assert f"{environ['STOCKY_OFFSITE_URL']}: 1 backups" in listed.stdout
    assert backup.filename in listed.stdout
    assert "test-restored" in listed.stdout
    (listing,) = json.loads(stocky(new_machine, "offsite", "--json").stdout)
    assert listing["copies"][0]["sha256"] == backup.sha256
    assert not Path(new_machine["STOCKY_DATA_DIR"]).exists()


@pytest.mark.one_database
def test_latest_is_the_newest_without_known_problems(environ: dict[str, str], new_machine: dict[str, str]) -> None:
    config = load(environ)
    config.backup_dir.mkdir(parents=True, exist_ok=True)
    store = Backups(config).store
    wanted = add_backup(store, minutes_ago=10)
    add_backup(store, minutes_ago=20)
    add_backup(store, minutes_ago=0, problems=("row 7 is damaged",))
    # Of data that was replaced by an older backup.
    add_backup(store, minutes_ago=5, reason=Reason.BEFORE_RESTORE)
    asyncio.run(copy_outstanding(environ))
    assert "does not restore: row 7 is damaged" in stocky(new_machine, "offsite").stdout
    chosen = stocky(new_machine, "verify", "--offsite", "latest")
    assert f"using {environ['STOCKY_OFFSITE_URL']}/{wanted.filename}" in chosen.stderr
    skipped = [line for line in chosen.stderr.splitlines() if line.startswith("stocky: skipped ")]
    assert [line.partition(", newer: ")[2] for line in skipped] == [
        "row 7 is damaged",
        "it was made before a restore, of the data that was replaced",
    ]
    # It is no dump, which the test restore finds.
    assert chosen.returncode == 1


@pytest.mark.one_database
def test_what_cannot_be_restored_is_refused_and_makes_nothing(new_machine: dict[str, str]) -> None:
    data_dir = Path(new_machine["STOCKY_DATA_DIR"])
    url = new_machine["STOCKY_OFFSITE_URL"]
    name = "stocky_backup_20260101_000000.sql.gz"
    for arguments, words in (
        (["--offsite", "latest"], "There is no off-site backup without known problems"),
        (["--offsite", name], f"There is no off-site backup named {name}"),
        ([f"{url}/{name}"], "No such file" if url.startswith("file") else f"There is no {name}"),
    ):
        for command in (["restore", "--force"], ["restore", "--dry-run"], ["verify"]):
            refused = stocky(new_machine, *command, *arguments)
            assert refused.returncode == 1, (command, arguments, refused.stdout)
            assert words in refused.stderr
            assert "Traceback" not in refused.stderr
    assert not (data_dir / "stocky.db").exists()
    for wrong in ([], ["file.zip", "--offsite", "latest"]):
        assert stocky(new_machine, "restore", *wrong).returncode == 2


@pytest.mark.one_database
def test_settings_that_are_missing_are_named(tmp_path: Path) -> None:
    environ = {"STOCKY_DATA_DIR": str(tmp_path / "data")}
    for arguments in (["offsite"], ["restore", "--offsite", "latest"], ["verify", "--offsite", "latest"]):
        assert "STOCKY_OFFSITE_URL: is needed" in stocky(environ, *arguments).stderr
    without_keys = stocky(environ, "restore", "s3://my-backups/stocky.zip")
    assert "STOCKY_OFFSITE_S3_ACCESS_KEY_ID: is needed" in without_keys.stderr
    assert without_keys.returncode == 1
    for wrong in ("s3://my-backups", "s3://my-backups/", "s3://No Bucket/x", "s3:///x"):
        assert "names no file in a bucket" in stocky(environ, "verify", wrong).stderr


@pytest.mark.one_database
def test_destination_that_cannot_be_reached_does_not_hide_the_others(
    environ: dict[str, str], new_machine: dict[str, str], tmp_path: Path
) -> None:
    backup = back_up(environ)
    new_machine["STOCKY_OFFSITE_URL"] = f"file://{tmp_path}-not-mounted {environ['STOCKY_OFFSITE_URL']}"
    listed = stocky(new_machine, "offsite")
    assert listed.returncode == 1
    assert backup.filename in listed.stdout
    assert "does not exist; mount the share" in listed.stderr
    verified = stocky(new_machine, "verify", "--offsite", "latest")
    assert verified.returncode == 0, verified.stderr

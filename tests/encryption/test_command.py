"""The commands with encrypted backups, and a restore of an off-site copy into an empty installation."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import pyrage
import pytest

from stocky.backup.offsite.service import Offsite
from stocky.backup.service import Backups
from stocky.backup.store import Kind, Reason
from stocky.config import Config, load
from tests.architecture import schema
from tests.cli.running import stocky
from tests.encryption.keys import BY_PASSPHRASE, IDENTITY, OTHER_PASSPHRASE, PASSPHRASE
from tests.offsite.making import ignore_progress
from tests.serving import ROOT, environment

pytestmark = pytest.mark.one_server

NOW = "'2026-01-01T00:00:00.000000Z'"


@pytest.fixture
def environ(environ: dict[str, str], encryption: dict[str, str]) -> dict[str, str]:
    return environ | encryption


def add_location(config: Config, name: str) -> None:
    schema.run(
        config,
        "INSERT INTO location (name, storage_type, created_at, updated_at)"
        f" VALUES ('{name}', 'pantry', {NOW}, {NOW}) RETURNING id",
    )


def locations(config: Config) -> list[str]:
    return sorted(name for (name,) in schema.run(config, "SELECT name FROM location"))


@pytest.mark.parametrize("suffix", [".sql.gz.age", ".zip.age"])
def test_backup_is_written_verified_and_restored(
    environ: dict[str, str], config: Config, tmp_path: Path, suffix: str
) -> None:
    add_location(config, "Cellar")
    file = tmp_path / f"all{suffix}"
    done = stocky(environ, "backup", "-o", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["size_bytes"] == file.stat().st_size
    assert file.read_bytes().startswith(b"age-encryption.org/v1\n")
    verified = stocky(environ, "verify", str(file))
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "each as it was backed up" in verified.stdout
    add_location(config, "Attic")
    compared = stocky(environ, "restore", str(file), "--dry-run")
    assert "1 removed" in compared.stdout
    assert stocky(environ, "restore", str(file), "--force").returncode == 0
    assert locations(config) == ["Cellar"]


def test_key_that_is_missing_or_wrong_is_one_line(environ: dict[str, str], config: Config, tmp_path: Path) -> None:
    file = tmp_path / "all.sql.gz.age"
    assert stocky(environ, "backup", "-o", str(file)).returncode == 0
    add_location(config, "Attic")
    without = {name: value for name, value in environ.items() if not name.startswith("STOCKY_BACKUP_")}
    for command in (["verify", str(file)], ["restore", str(file), "--force"]):
        done = stocky(without, *command)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("stocky: This backup is encrypted, and STOCKY_BACKUP_")
    if "STOCKY_BACKUP_PASSPHRASE" in environ:
        done = stocky(environ | {"STOCKY_BACKUP_PASSPHRASE": OTHER_PASSPHRASE}, "restore", str(file), "--force")
        assert done.returncode == 1
        assert "The passphrase does not open this backup" in done.stderr
    assert locations(config) == ["Attic"]
    file.write_bytes(file.read_bytes()[:-50])
    done = stocky(environ, "verify", str(file))
    assert done.returncode == 1
    assert "damaged or truncated" in done.stdout


@pytest.fixture
def earlier(environ: dict[str, str], config: Config, tmp_path: Path) -> Path:
    """A backup of Cellar by another passphrase than the set one, beside a file `old` with that; then Attic is added."""
    (tmp_path / "old").write_text(f"{OTHER_PASSPHRASE}\n")
    (tmp_path / "new").write_text(PASSPHRASE)
    add_location(config, "Cellar")
    file = tmp_path / "old.sql.gz.age"
    others = {name: value for name, value in environ.items() if not name.startswith("STOCKY_BACKUP_")}
    done = stocky(others | {"STOCKY_BACKUP_PASSPHRASE": OTHER_PASSPHRASE}, "backup", "-o", str(file))
    assert done.returncode == 0, done.stderr
    add_location(config, "Attic")
    return file


def test_backup_of_another_passphrase_is_opened_by_its_file(
    environ: dict[str, str], config: Config, earlier: Path, tmp_path: Path
) -> None:
    if "STOCKY_BACKUP_PASSPHRASE" in environ:
        del environ["STOCKY_BACKUP_PASSPHRASE"]
        environ["STOCKY_BACKUP_PASSPHRASE_FILE"] = str(tmp_path / "new")
    old = ("--passphrase-file", str(tmp_path / "old"))
    verified = stocky(environ, "verify", str(earlier), *old)
    assert verified.returncode == 0, verified.stderr + verified.stdout
    (tmp_path / "empty").touch()
    empty = stocky(environ, "restore", str(earlier), "--force", "--passphrase-file", str(tmp_path / "empty"))
    assert (empty.returncode, "is empty" in empty.stderr) == (1, True)
    assert locations(config) == ["Attic", "Cellar"]
    done = stocky(environ, "restore", str(earlier), "--force", *old)
    assert done.returncode == 0, done.stderr
    assert locations(config) == ["Cellar"]
    # The backup before the restore is encrypted as the settings say.
    (before,) = config.backup_dir.glob("*.sql.gz.age")
    if "STOCKY_BACKUP_RECIPIENTS" in environ:
        assert pyrage.decrypt(before.read_bytes(), [pyrage.x25519.Identity.from_str(IDENTITY)])
    else:
        assert pyrage.passphrase.decrypt(before.read_bytes(), PASSPHRASE)


@pytest.mark.parametrize("encryption", ["recipients"], indirect=True)
def test_locked_backup_names_what_can_be_done(environ: dict[str, str], earlier: Path) -> None:
    done = stocky(environ, "restore", str(earlier), "--force")
    assert done.returncode == 1
    assert "or restore it on the command line with --passphrase-file" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
@pytest.mark.parametrize("encryption", ["passphrase"], indirect=True)
def test_passphrase_is_asked_for_where_the_set_one_does_not_fit(environ: dict[str, str], earlier: Path) -> None:
    shown = at_terminal(environ, "verify", str(earlier), typed=OTHER_PASSPHRASE)
    assert "Passphrase of old.sql.gz.age:" in shown
    assert "each as it was backed up" in shown
    assert OTHER_PASSPHRASE not in shown


def at_terminal(environ: dict[str, str], *arguments: str, typed: str) -> str:
    """What the command shows on a terminal, where this is typed once it asks."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execve(sys.executable, [sys.executable, "-m", "stocky", *arguments], environment(environ))
    shown = b""
    with suppress(OSError), os.fdopen(terminal, "r+b", buffering=0) as opened:
        is_typed = False
        while piece := opened.read(1_024):
            shown += piece
            if b": " in shown and not is_typed:
                opened.write(f"{typed}\n".encode())
                is_typed = True
    os.waitpid(pid, 0)
    return shown.decode()


def test_name_says_whether_it_is_encrypted(environ: dict[str, str], tmp_path: Path) -> None:
    done = stocky(environ, "backup", "-o", str(tmp_path / "all.zip"))
    assert done.returncode == 2
    assert "name it FILE.age" in done.stderr
    without = {name: value for name, value in environ.items() if not name.startswith("STOCKY_BACKUP_")}
    done = stocky(without, "backup", "-o", str(tmp_path / "all.zip.age"))
    assert done.returncode == 2
    assert "neither STOCKY_BACKUP_PASSPHRASE nor STOCKY_BACKUP_RECIPIENTS is set" in done.stderr
    assert list(tmp_path.glob("all*")) == []


def test_offsite_copy_is_the_encrypted_file_and_restores_into_an_empty_installation(
    environ: dict[str, str],
    encryption: dict[str, str],
    config: Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    share = tmp_path_factory.mktemp("share")
    offsite = {"STOCKY_OFFSITE_URL": f"file://{share}"}
    add_location(config, "Cellar")

    async def copy() -> str:
        config = load(environ | offsite)
        backups = Backups(config)
        made = await backups.create(Kind.ARCHIVE, Reason.SCHEDULED, ignore_progress)
        assert (await backups.verify(made.id, ignore_progress)).is_good
        assert (await Offsite(config, backups).copy_outstanding(ignore_progress)).failed == []
        return made.filename

    name = asyncio.run(copy())
    assert name.endswith(".zip.age")
    assert (share / name).read_bytes() == (config.backup_dir / name).read_bytes()
    new = offsite | encryption | {"STOCKY_DATA_DIR": str(tmp_path_factory.mktemp("new") / "data")}
    listed = stocky(new, "offsite")
    assert name in listed.stdout
    assert "test-restored" in listed.stdout
    assert stocky(new, "verify", "--offsite", "latest").returncode == 0
    done = stocky(new, "restore", "--offsite", "latest", "--force")
    assert done.returncode == 0, done.stderr
    assert locations(load(new)) == ["Cellar"]


@pytest.mark.parametrize("encryption", ["passphrase"], indirect=True)
def test_backup_of_a_migration_and_standard_output_are_encrypted(environ: dict[str, str], config: Config) -> None:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "stocky", "backup", "-o", "-"],
        env=environment(environ),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert pyrage.passphrase.decrypt(done.stdout, PASSPHRASE).startswith(b"\x1f\x8b")
    assert BY_PASSPHRASE["STOCKY_BACKUP_PASSPHRASE"] == PASSPHRASE

"""File systems without hard links, renameat2 or flock: the kernel refuses the calls, and everything still works.

A directory that cannot be synced is tried by hand only, since the filter cannot tell a directory from a file.
"""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from stocky import disk
from stocky.cli.serve import warn_of_network_mount
from stocky.config import Config
from tests.cli.refusing import UNSUPPORTED
from tests.cli.running import stocky
from tests.serving import ROOT, environment, serve

pytestmark = pytest.mark.one_database
WITHOUT = "link,renameat2,flock"


def refused(calls: str) -> list[str]:
    """The command that runs `stocky` with these calls refused by the kernel."""
    return [sys.executable, "-m", "tests.cli.refusing", calls, sys.executable, "-m", "stocky"]


def run_refused(calls: str, environ: dict[str, str], cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `stocky …` with refused calls to its end."""
    return subprocess.run(
        [*refused(calls), *arguments],
        cwd=cwd,
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(autouse=True)
def _filtered() -> None:
    asked = subprocess.run([*refused(WITHOUT), "--version"], cwd=ROOT, capture_output=True, check=False)
    if asked.returncode == UNSUPPORTED:
        pytest.skip("this kernel has no seccomp filter")


def test_service_and_backup_work_and_second_server_is_rejected(
    environ: dict[str, str], keys: dict[str, str], tmp_path: Path
) -> None:
    environ = {name: value for name, value in environ.items() if name != "STOCKY_SECRET_KEY"}
    with serve(environ, tmp_path, command=refused(WITHOUT)) as server:
        assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600
        made = httpx.post(f"{server.api}/backup/create/full", headers={"X-API-Key": keys["admin"]}, timeout=60)
        assert made.status_code == 200, made.text
        (backup,) = (tmp_path / "backups").glob("*.sql.gz")
        second = run_refused(WITHOUT, environ, tmp_path, "restore", str(backup), "--force")
        assert second.returncode == 1
        assert "A Stocky serves this database" in second.stderr
        assert server.stop() == 0
    assert stocky(environ, "verify", str(backup)).returncode == 0
    assert sorted(each.name for each in (tmp_path / "backups").iterdir()) == [backup.name, f"{backup.name}.json"]


def test_file_system_without_locks_is_reported(environ: dict[str, str], tmp_path: Path) -> None:
    answer = run_refused("flock,fcntl_locks", environ, tmp_path, "serve", "--port", "0")
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert "has no file locks, which SQLite needs" in answer.stderr


def test_unsupported_directory_sync_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    disk.sync_directory(tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        disk.sync_directory(tmp_path)


@pytest.mark.parametrize(("mount", "kind"), [("nfs4", "NFS"), ("cifs", "SMB"), ("ext4", None), ("fuse", None)])
def test_sqlite_on_a_network_mount_is_warned_of(
    mount: str, kind: str | None, config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # No test can mount one.
    monkeypatch.setattr(disk, "mount_type", lambda path: mount if path == config.sqlite_path else "ext4")
    warn_of_network_mount(config, logging.getLogger("stocky.serve"))
    expected = [] if kind is None else [f"{config.sqlite_path} is on a network mount ({kind}), where SQLite's locks"]
    assert [each.getMessage()[: len(expected[0])] for each in caplog.records] == expected


def test_mount_type_is_detected(tmp_path: Path) -> None:
    assert disk.network_mount(tmp_path) is None
    assert disk.network_mount(tmp_path / "not there" / "yet") is None
    assert disk.mount_type(Path("/proc/self")) == "proc"

"""Workspaces: exist while needed, are removed afterwards, and are never swept from a running owner."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from stocky.disk import disk_errors, require_space
from stocky.errors import OutOfSpace
from stocky.worker.workspace import scratch_directory, sweep, workspace

# Makes a workspace in the given directory, fills it, reports it, and waits to be killed.
HOLDER = """
import sys, time
from pathlib import Path
from stocky.worker.workspace import scratch_directory
with scratch_directory(Path(sys.argv[1])) as place:
    (place / "half a backup").write_text("half")
    (place / "inner").mkdir()
    (place / "inner" / "file").write_text("x")
    print(place, flush=True)
    sys.stdin.read()
"""


def held(directory: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that owns a workspace, and its path."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


async def test_workspace_is_private_and_removed_after_its_block(tmp_path: Path) -> None:
    async with workspace(tmp_path / "backups") as directory:
        (directory / "copy.db").write_text("rows")
        assert directory.stat().st_mode & 0o777 == 0o700
        assert directory.parent == tmp_path / "backups"
    assert list((tmp_path / "backups").iterdir()) == []


async def test_workspace_is_removed_after_a_failing_block(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with workspace(tmp_path) as directory:
            (directory / "half").write_text(str(1 / 0))
    assert os.listdir(tmp_path) == []


async def test_workspace_of_a_cancelled_task_is_removed(tmp_path: Path) -> None:
    async def hold() -> None:
        async with workspace(tmp_path):
            await asyncio.Event().wait()

    for moments in range(10):
        task = asyncio.create_task(hold())
        for _ in range(moments):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert os.listdir(tmp_path) == []


def test_workspace_is_removed_when_a_signal_cancels_its_task_at_the_end(tmp_path: Path) -> None:
    async def work() -> None:
        async with workspace(tmp_path):
            # As a signal handler does, in the middle of a step of the task; the loop closes right after.
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())
    assert os.listdir(tmp_path) == []


def test_workspace_in_use_is_not_swept(tmp_path: Path) -> None:
    process, theirs = held(tmp_path)
    with scratch_directory(tmp_path) as ours:
        assert sweep(tmp_path) == 0
        assert ours.is_dir()
        assert (theirs / "half a backup").exists()
    end(process)


def test_workspace_of_a_killed_process_is_swept(tmp_path: Path) -> None:
    process, directory = held(tmp_path)
    end(process)
    assert directory.is_dir()
    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_incomplete_workspace_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".work-without-a-lock").mkdir()
    half = tmp_path / ".work-half"
    half.mkdir()
    (half / "copy.db").write_text("rows")
    assert sweep(tmp_path) == 2
    assert list(tmp_path.iterdir()) == []


def test_sweep_keeps_backups(tmp_path: Path) -> None:
    backup = tmp_path / "stocky_backup_20260131_120000.sql.gz"
    backup.write_text("a backup")
    assert sweep(tmp_path) == 0
    assert sweep(tmp_path / "never made") == 0
    assert backup.exists()


def test_workspaces_are_made_during_a_sweep(tmp_path: Path) -> None:
    sweeper = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfrom pathlib import Path\nfrom stocky.worker.workspace import sweep\n"
            "print(flush=True)\nwhile True: sweep(Path(sys.argv[1]))",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert sweeper.stdout is not None
        sweeper.stdout.readline()
        for _ in range(300):
            with scratch_directory(tmp_path) as directory:
                (directory / "file").write_text("x")
                assert (directory / "file").read_text() == "x"
    finally:
        sweeper.kill()
        sweeper.communicate()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_space_is_reported_in_mib(tmp_path: Path) -> None:
    with pytest.raises(OutOfSpace, match=r"needs about 1099511627777 MiB in .*, and \d+ MiB are free"):
        require_space(tmp_path, 2**60)
    require_space(tmp_path, 1)


def test_full_disk_is_out_of_space() -> None:
    with pytest.raises(OutOfSpace), disk_errors(), Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")

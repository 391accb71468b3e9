"""Commands that a signal ends in the middle: they clean up, and their exit status names the signal."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.running import environment, stocky

pytestmark = pytest.mark.one_database

SECONDS = 60


@pytest.fixture(autouse=True)
def hangup_by_default() -> Iterator[None]:
    """Commands inherit an ignored signal, which the hangup is where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def dump(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("dump") / "all.sql.gz"
    assert stocky(environ, "backup", "-o", str(file)).returncode == 0
    return file


def interrupted(
    environ: dict[str, str], number: signal.Signals, is_begun: Callable[[], bool], *arguments: str, wrapper: str = ""
) -> int:
    """The exit status of a command that gets the signal as soon as it has begun."""
    # With less priority, so that it does not end before a busy machine lets the test send the signal.
    command = ["nice", "-n", "5", *wrapper.split(), sys.executable, "-m", "stocky", *arguments]
    with subprocess.Popen(
        command, env=environment(environ), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + SECONDS
        while not is_begun():
            assert process.poll() is None, "it ended before the signal"
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(number)
        _, errors = process.communicate(timeout=SECONDS)
        assert errors.replace("nohup: ignoring input\n", "") == ""
        return process.returncode


def has_scratch_files(directory: Path) -> bool:
    return any(directory.glob(".work-*/*")) if directory.is_dir() else False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_verify_leaves_no_scratch_database(tmp_path: Path, dump: Path, number: signal.Signals) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    new = {"STOCKY_DATA_DIR": str(tmp_path / "none"), "TMPDIR": str(scratch)}
    status = interrupted(new, number, lambda: has_scratch_files(scratch), "verify", str(dump))
    assert status == 128 + number
    assert list(scratch.iterdir()) == []


def test_restore_into_an_empty_directory_leaves_no_empty_database(tmp_path: Path, dump: Path) -> None:
    new = tmp_path / "new"
    status = interrupted(
        {"STOCKY_DATA_DIR": str(new)},
        signal.SIGTERM,
        lambda: has_scratch_files(new / "backups"),
        *("restore", str(dump), "--force"),
    )
    assert status == 128 + signal.SIGTERM
    assert list(new.glob("stocky.db*")) == [new / "stocky.db-serving"]
    assert list((new / "backups").iterdir()) == []


def test_backup_leaves_no_partial_file(environ: dict[str, str], tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    backups = Path(environ["STOCKY_DATA_DIR"]) / "backups"
    status = interrupted(
        environ, signal.SIGTERM, lambda: any(target.iterdir()), *("backup", "-o", str(target / "all.sql.gz"))
    )
    assert status == 128 + signal.SIGTERM
    assert list(target.iterdir()) == []
    assert not has_scratch_files(backups)


def test_ignored_hangup_stays_ignored(tmp_path: Path, dump: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    new = {"STOCKY_DATA_DIR": str(tmp_path / "none"), "TMPDIR": str(scratch)}
    status = interrupted(new, signal.SIGHUP, lambda: has_scratch_files(scratch), "verify", str(dump), wrapper="nohup")
    assert status == 0


_INTERRUPTED = """
import asyncio, os, signal
from stocky import cli

async def work():
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    print("goes on")
    try:
        await asyncio.sleep(60)
    finally:
        print("cleans up")

signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    with cli._clean_up_on_signals():
        asyncio.run(work())
finally:
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    os.kill(os.getpid(), signal.SIGINT)
"""


def test_signal_cancels_also_in_a_background_job(environ: dict[str, str]) -> None:
    """A job of a script ignores Ctrl+C: an exception between two statements would leave what was just made behind."""
    ended = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED], env=environment(environ), capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + signal.SIGTERM, "goes on\ncleans up\n", "")

"""Child processes: their messages arrive, and none outlives its parent."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from httpx import AsyncClient

from stocky.backup.requests import DumpRequest, DumpResult
from stocky.backup.service import dump_to_file, stream_dump
from stocky.config import Config
from stocky.errors import Unavailable
from stocky.worker.process import _reap, run_worker
from stocky.worker.workspace import sweep
from tests.backup.by_hand import write_down
from tests.conftest import TestDatabases, settings
from tests.serving import Server

GONE_SECONDS = 60

# Streams a dump, reads one piece, reports it, and waits to be killed.
STREAMER = """
import asyncio
from stocky.backup.service import stream_dump
from stocky.config import load
async def main():
    stream = await stream_dump(load())
    await anext(stream)
    print("streaming", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def fill(config: Config, mebibytes: int = 16) -> None:
    """Adds incompressible text, so that no pipe buffer holds its dump."""
    for _ in range(mebibytes):
        write_down(config, os.urandom(2**19).hex())


def workers(pid: int) -> list[int]:
    """The running workers that the process `pid` started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"stocky.worker" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def shown(pid: int) -> bytes:
    """The data of a process visible to all users, or to the same user."""
    return b"".join(Path(f"/proc/{pid}/{part}").read_bytes() for part in ("cmdline", "environ"))


def has_ended(descriptor: int) -> bool:
    """Whether the process behind a pidfd ends soon."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(GONE_SECONDS * 1000))


def ignore_progress(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


async def test_cancelled_task_kills_its_child(config: Config, tmp_path: Path) -> None:
    fill(config)
    begun = asyncio.Event()
    task = asyncio.create_task(dump_to_file(config, tmp_path / "dump", lambda *report: begun.set()))
    await begun.wait()
    (child,) = workers(os.getpid())
    descriptor = os.pidfd_open(child)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert has_ended(descriptor)
    assert not (tmp_path / "dump").exists()
    assert list(config.backup_dir.iterdir()) == []


async def test_cancelled_task_waits_for_its_ending_child(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reaping, statuses = asyncio.Event(), []

    async def reap(process: asyncio.subprocess.Process) -> None:
        reaping.set()
        await _reap(process)
        statuses.append(process.returncode)

    monkeypatch.setattr("stocky.worker.process._reap", reap)
    task = asyncio.create_task(dump_to_file(config, tmp_path / "dump", ignore_progress))
    await reaping.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(statuses) == 1
    assert statuses[0] is not None


async def test_abandoned_stream_kills_its_child(config: Config) -> None:
    fill(config)
    stream = await stream_dump(config)
    await anext(stream)
    (child,) = workers(os.getpid())
    descriptor = os.pidfd_open(child)
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator
    assert has_ended(descriptor)
    assert list(config.backup_dir.iterdir()) == []


async def test_stream_of_a_killed_child_breaks_off(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    fill(config)
    stream = await stream_dump(config)
    await anext(stream)
    (child,) = workers(os.getpid())
    os.kill(child, 15)
    with pytest.raises(Unavailable):
        async for _ in stream:
            pass
    assert "The child process ended with -15" in caplog.text
    assert list(config.backup_dir.iterdir()) == []


def test_child_exits_with_its_parent_and_is_swept(config: Config, environ: dict[str, str]) -> None:
    fill(config)
    parent = subprocess.Popen(
        [sys.executable, "-c", STREAMER], env=os.environ | environ, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "streaming\n"
    (child,) = workers(parent.pid)
    descriptor = os.pidfd_open(child)
    parent.kill()
    parent.communicate()
    assert has_ended(descriptor)
    assert sweep(config.backup_dir) == 1
    assert list(config.backup_dir.iterdir()) == []


@pytest.mark.slow
async def test_disconnected_client_leaves_no_files(
    serve: Callable[..., AbstractContextManager[Server]], config: Config, keys: dict[str, str]
) -> None:
    fill(config)
    with serve() as server:
        async with AsyncClient(base_url=server.api, headers={"X-API-Key": keys["admin"]}) as admin:
            async with admin.stream("POST", "/backup/create/full/download") as answer:
                await anext(answer.aiter_raw())
                (child,) = workers(server.process.pid)
                descriptor = os.pidfd_open(child)
            assert has_ended(descriptor)
            # The server has cleaned up when it answers the next request.
            whole = await admin.post("/backup/create/full", timeout=60)
            assert whole.status_code == 200
        names = [file.name for file in config.backup_dir.iterdir()]
        assert [name for name in names if name.startswith(".")] == []


@pytest.mark.slow
def test_download_of_a_killed_child_is_incomplete(
    serve: Callable[..., AbstractContextManager[Server]], config: Config, keys: dict[str, str]
) -> None:
    fill(config)
    with (
        serve() as server,
        httpx.stream(
            "POST", f"{server.api}/backup/create/full/download", headers={"X-API-Key": keys["admin"]}, timeout=60
        ) as answer,
    ):
        pieces = answer.iter_raw()
        next(pieces)
        (child,) = workers(server.process.pid)
        os.kill(child, 15)
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in pieces:
                pass


async def test_child_has_lower_priority_and_shows_no_password(config: Config) -> None:
    fill(config)
    stream = await stream_dump(config)
    await anext(stream)
    (child,) = workers(os.getpid())
    assert os.getpriority(os.PRIO_PROCESS, child) == min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
    assert config.database_url.encode() not in shown(child)
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_error_of_a_child_is_raised_unchanged(tmp_path: Path) -> None:
    nowhere = DumpRequest(database_url=f"sqlite:///{tmp_path / 'nothing.db'}", scratch=str(tmp_path))
    with pytest.raises(Unavailable, match="cannot be opened") as refused:
        await run_worker(nowhere, DumpResult, ignore_progress)
    assert refused.value.headers == {"Retry-After": "1"}
    assert not (tmp_path / "nothing.db").exists()


async def test_defect_in_a_child_is_logged_and_reported_without_details(
    databases: TestDatabases, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with databases.copy("sqlite", tmp_path) as url:
        missing = DumpRequest(database_url=url, scratch=str(tmp_path), output=str(tmp_path / "no such" / "place"))
        with pytest.raises(Unavailable, match="See the log"):
            await run_worker(missing, DumpResult, ignore_progress)
    assert "FileNotFoundError" in caplog.text
    assert settings(url, tmp_path)["STOCKY_SECRET_KEY"] not in caplog.text

"""What is opened in a thread is closed, also when the caller is cancelled while the thread opens it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from stocky.backup.offsite import service as offsite
from stocky.backup.service import Backups
from stocky.config import Config
from stocky.worker.completion import opened_in_thread


class Opening:
    """Something that takes until `go_on` to open."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.closed: list[str] = []

    def open(self) -> str:
        self.begun.set()
        assert self.go_on.wait(30)
        return "a file"

    async def cancel_while_it_opens(self, task: asyncio.Task[None]) -> None:
        assert await asyncio.to_thread(self.begun.wait, 30)
        task.cancel()
        await asyncio.sleep(0)
        self.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_opened_for_a_cancelled_caller_is_closed() -> None:
    opening = Opening()

    async def use() -> None:
        async with opened_in_thread(opening.open, opening.closed.append):
            raise AssertionError("it was cancelled")

    await opening.cancel_while_it_opens(asyncio.create_task(use()))
    assert opening.closed == ["a file"]


async def test_block_closes_what_it_used_and_failed_openings_close_nothing() -> None:
    closed: list[str] = []
    async with opened_in_thread(lambda: "a file", closed.append) as opened:
        assert (opened, closed) == ("a file", [])
    assert closed == ["a file"]
    with pytest.raises(FileNotFoundError):
        async with opened_in_thread(Path("/nothing/here").read_text, closed.append):
            raise AssertionError("there is no such file")
    assert closed == ["a file"]


@pytest.mark.one_database
async def test_cancelled_off_site_copy_leaves_no_lock(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    copies, opening = offsite.Offsite(config, Backups(config)), Opening()
    lock = offsite._try_lock

    def lock_slowly(file: Path) -> int | None:
        found = lock(file)
        opening.open()
        return found

    async def copy() -> None:
        async with copies.locked():
            raise AssertionError("it was cancelled")

    with monkeypatch.context() as patch:
        patch.setattr(offsite, "_try_lock", lock_slowly)
        await opening.cancel_while_it_opens(asyncio.create_task(copy()))
    async with copies.locked() as may_copy:
        assert may_copy

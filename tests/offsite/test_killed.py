"""A Stocky that is killed in the middle of an upload copies the backup after the next start."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from stocky.backup.store import Store
from stocky.config import load
from tests.inventory import Json
from tests.line import Line
from tests.offsite.making import LARGE, add_backup
from tests.serving import Server

DEADLINE_SECONDS = 120


@pytest.fixture
def environ(environ: dict[str, str], s3_environ: dict[str, str], line: Line) -> dict[str, str]:
    return environ | s3_environ | {"STOCKY_OFFSITE_S3_ENDPOINT": line.url}


@pytest.mark.slow
@pytest.mark.one_database
def test_upload_of_a_killed_process_is_made_again(
    environ: dict[str, str],
    keys: dict[str, str],
    line: Line,
    serve: Callable[..., AbstractContextManager[Server]],
) -> None:
    directory = load(environ).backup_dir
    directory.mkdir(parents=True, exist_ok=True)
    backup = add_backup(Store(directory), size=LARGE)
    line.hold_after = 8_000_000
    with serve() as server:
        assert line.is_holding.wait(DEADLINE_SECONDS), server.log
        server.kill()
    line.hold_after = None
    line.go_on.set()
    with serve() as server:
        until = time.monotonic() + DEADLINE_SECONDS
        while _state(server, keys) != "copied":
            assert time.monotonic() < until, server.log
            time.sleep(0.2)
        (listing,) = _get(server, keys, "/system/offsite")
        assert [each["filename"] for each in listing["backups"]] == [backup.filename]


def _state(server: Server, keys: dict[str, str]) -> str:
    (stored,) = _get(server, keys, "/system/backup/list")
    (mark,) = stored["offsite"]
    state: str = mark["state"]
    return state


def _get(server: Server, keys: dict[str, str], path: str) -> list[Json]:
    answer = httpx.get(f"{server.api}{path}", headers={"X-API-Key": keys["admin"]}, timeout=60)
    answer.raise_for_status()
    body: Any = answer.json()
    found: list[Json] = body
    return found

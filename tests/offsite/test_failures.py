"""A bucket that is cut off, held, disturbed, full, gone or locked: nothing is lost, and no half copy counts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from stocky import clock
from stocky.backup.offsite.destinations import open_destination
from stocky.backup.offsite.service import Offsite
from stocky.backup.service import Backups
from stocky.config import Config, load
from tests.line import Line
from tests.offsite.making import LARGE, add_backup, ignore_progress, offsite_of


@pytest.fixture
def over_line(s3_environ: dict[str, str], line: Line, tmp_path: Path) -> tuple[Config, Backups, Offsite]:
    """An installation whose way to the bucket is the line."""
    return offsite_of(s3_environ | {"STOCKY_OFFSITE_S3_ENDPOINT": line.url}, tmp_path)


async def listed(config: Config, s3_environ: dict[str, str]) -> list[str]:
    """The good copies, read past the line."""
    direct = load({"STOCKY_DATA_DIR": str(config.data_dir), **s3_environ})
    (listing,) = await Offsite(direct, Backups(direct)).list_destinations()
    assert listing.error is None
    return [each.filename for each in listing.copies]


def later(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=minutes))


async def test_cut_in_the_middle_of_an_upload_leaves_nothing_and_is_tried_again(
    over_line: tuple[Config, Backups, Offsite],
    s3_environ: dict[str, str],
    line: Line,
    bucket: str,
    s3_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, backups, offsite = over_line
    backup = add_backup(backups.store, size=LARGE)
    # In the second of three parts.
    line.cut_after = 8_000_000
    (problem,) = (await offsite.copy_outstanding(ignore_progress)).failed
    assert "no connection" in problem
    assert "STOCKY_OFFSITE_S3_ENDPOINT" in problem
    async with httpx.AsyncClient() as client:
        assert backup.filename not in (await client.get(f"{s3_server}/{bucket}")).text
    assert await listed(config, s3_environ) == []
    (stored,) = await backups.list_backups()
    assert stored.offsite == {}
    assert not await offsite.has_work(), "it pauses"
    assert offsite.problems == [problem]
    line.cut_after = None
    later(monkeypatch, 1)
    assert await offsite.has_work()
    assert (await offsite.copy_outstanding(ignore_progress)).failed == []
    assert await listed(config, s3_environ) == [backup.filename]
    assert offsite.problems == []


async def test_cut_while_the_copy_is_read_back_leaves_no_good_copy(
    over_line: tuple[Config, Backups, Offsite], s3_environ: dict[str, str], line: Line
) -> None:
    config, backups, offsite = over_line
    add_backup(backups.store, size=LARGE)

    def cut(phase: str, done: int, total: int | None, unit: str) -> None:
        if phase == "reading back":
            line.cut_after = 0

    result = await offsite.copy_outstanding(cut)
    assert len(result.failed) == 1
    assert result.copied == {}
    assert await listed(config, s3_environ) == []


async def test_copy_that_comes_back_different_is_not_good(
    over_line: tuple[Config, Backups, Offsite], s3_environ: dict[str, str], line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, backups, offsite = over_line
    backup = add_backup(backups.store, size=LARGE)
    line.is_disturbed = True
    (problem,) = (await offsite.copy_outstanding(ignore_progress)).failed
    assert "does not return" in problem
    assert await listed(config, s3_environ) == []
    line.is_disturbed = False
    later(monkeypatch, 1)
    await offsite.copy_outstanding(ignore_progress)
    assert await listed(config, s3_environ) == [backup.filename]


async def test_copy_that_takes_long_does_not_count_before_its_end_and_can_be_stopped(
    over_line: tuple[Config, Backups, Offsite], s3_environ: dict[str, str], line: Line
) -> None:
    config, backups, offsite = over_line
    backup = add_backup(backups.store, size=LARGE)
    line.hold_after = 8_000_000
    copying = asyncio.create_task(offsite.copy_outstanding(ignore_progress))
    assert await asyncio.to_thread(line.is_holding.wait, 60)
    assert await listed(config, s3_environ) == []
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    assert await offsite.has_work(), "the next start copies it"
    line.hold_after = None
    line.go_on.set()
    await offsite.copy_outstanding(ignore_progress)
    assert await listed(config, s3_environ) == [backup.filename]


async def test_missing_bucket_is_named_and_the_other_destination_is_served(
    s3_environ: dict[str, str], share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "s3://stocky-no-such-bucket/prefix"
    _, backups, offsite = offsite_of(s3_environ | {"STOCKY_OFFSITE_URL": f"{url}, file://{share}"}, tmp_path)
    backup = add_backup(backups.store)
    result = await offsite.copy_outstanding(ignore_progress)
    (problem,) = result.failed
    assert problem.startswith(f"{url} cannot be used now: there is no such bucket")
    assert result.copied == {f"file://{share}": [backup.filename]}
    pauses = []
    for _ in range(8):
        state = offsite.states[url]
        assert state.next_at is not None
        pauses.append(round((state.next_at - clock.now()).total_seconds() / 30))
        later(monkeypatch, 16)
        await offsite.copy_outstanding(ignore_progress)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    first, second = await offsite.list_destinations()
    assert first.error == problem
    assert [each.filename for each in second.copies] == [backup.filename]
    assert (await offsite.fetch(backup.filename, None, ignore_progress)).id == backup.id


class _Refusing(BaseHTTPRequestHandler):
    """An S3 store that answers every request with an error."""

    status, code = 403, "InvalidAccessKeyId"

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        error = f"<Error><Code>{self.code}</Code><Message>the secret of the bucket</Message></Error>".encode()
        content = b"" if self.command == "HEAD" else error
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _refuse  # noqa: N815 - http.server calls them so

    def log_message(self, *args: Any) -> None:
        """Logs nothing."""


class _Full(_Refusing):
    """An S3 store without space: reads find nothing, writes are refused."""

    status, code = 400, "QuotaExceeded"

    def _lack(self) -> None:
        content = b"" if self.command == "HEAD" else b"<Error><Code>NoSuchKey</Code></Error>"
        self.send_response(404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        if "list-type" not in self.path:
            self._lack()
            return
        content = b'<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>'
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_HEAD = _lack  # noqa: N815 - http.server calls it so

    def do_DELETE(self) -> None:
        self.send_response(204)
        self.end_headers()


@contextmanager
def answering(handler: type[_Refusing]) -> Iterator[str]:
    """The address of such a store."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (_Refusing, ["rejects the keys (InvalidAccessKeyId)", "STOCKY_OFFSITE_S3_SECRET_ACCESS_KEY"]),
        (_Full, ["400 (QuotaExceeded)", "STOCKY_OFFSITE_URL"]),
    ],
)
async def test_refusing_store_is_reported_without_secrets(
    handler: type[_Refusing], words: list[str], s3_environ: dict[str, str], tmp_path: Path
) -> None:
    with answering(handler) as url:
        config, backups, offsite = offsite_of(s3_environ | {"STOCKY_OFFSITE_S3_ENDPOINT": url}, tmp_path)
        add_backup(backups.store)
        (problem,) = (await offsite.copy_outstanding(ignore_progress)).failed
        assert all(each in problem for each in words), problem
        assert "the secret of the bucket" not in problem
        (stored,) = await backups.list_backups()
        assert stored.offsite == {}
    assert open_destination(config.offsite.destinations[0]).url == config.offsite.destinations[0].url


async def test_one_process_at_a_time_copies_the_backups_of_a_directory(
    s3_environ: dict[str, str], tmp_path: Path
) -> None:
    config, _, offsite = offsite_of(s3_environ, tmp_path)
    async with offsite.locked() as is_ours, Offsite(config, Backups(config)).locked() as is_theirs:
        assert (is_ours, is_theirs) == (True, False)
    async with Offsite(config, Backups(config)).locked() as is_theirs:
        assert is_theirs

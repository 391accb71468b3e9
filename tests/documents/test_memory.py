"""Uploading and downloading a large file keeps memory flat; measured on a real `stocky serve`."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.documents.files import pdf
from tests.serving import Server

MEGABYTES = 100
# Half of the file would show; what is read and written at a time is a few MiB.
GROWTH = 48 * 2**20
EVERY_SECONDS = 0.01


@pytest.fixture
def environ(environ: dict[str, str], store_environ: dict[str, str]) -> dict[str, str]:
    return environ | store_environ


class Peak:
    """The peak memory of a process and its children."""

    def __init__(self) -> None:
        self.bytes = 0


@contextmanager
def watched(server: Server) -> Iterator[Peak]:
    """Samples the memory for the length of the block."""
    peak, ended, process = Peak(), threading.Event(), psutil.Process(server.process.pid)

    def look() -> None:
        while not ended.wait(EVERY_SECONDS):
            total = 0
            for each in [process, *process.children(recursive=True)]:
                with suppress(psutil.Error):
                    total += each.memory_info().rss
            peak.bytes = max(peak.bytes, total)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.one_database
def test_pdf_of_100_megabytes_keeps_memory_flat(
    serve: Callable[..., AbstractContextManager[Server]], keys: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "large.pdf"
    file.write_bytes(pdf(MEGABYTES * 10**6))
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    with (
        serve() as server,
        httpx.Client(base_url=server.api, headers={"X-API-Key": keys["admin"]}, timeout=120) as admin,
    ):
        item = admin.post("/items", json={"name": "Press"}).json()
        # Once with a small file, so that lazily loaded modules are in memory.
        first = admin.post(
            "/documents", data={"item_id": str(item["id"])}, files={"file": ("small.pdf", pdf(2_000_000))}
        )
        admin.get(f"/documents/{first.json()['id']}/content").raise_for_status()
        idle = psutil.Process(server.process.pid).memory_info().rss
        with watched(server) as peak:
            with file.open("rb") as content:
                sent = admin.post(
                    "/documents", data={"item_id": str(item["id"])}, files={"file": ("large.pdf", content)}
                )
            assert sent.status_code == 201, sent.text
            assert sent.json()["sha256"] == sha256
            received = hashlib.sha256()
            with admin.stream("GET", f"/documents/{sent.json()['id']}/content") as answer:
                for chunk in answer.iter_bytes():
                    received.update(chunk)
        assert received.hexdigest() == sha256
        print(f"{(peak.bytes - idle) / 2**20:.0f} MiB more than idle")
        assert peak.bytes - idle < GROWTH

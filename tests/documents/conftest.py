"""A real S3 server as its own process, and an application that stores documents there."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.serving import free_port

READY_SECONDS = 60


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server, which stops with the tests."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log_file = tmp_path_factory.mktemp("s3") / "server.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            assert process.poll() is None, log_file.read_text()
            with suppress(httpx.TransportError):
                httpx.get(url, timeout=5)
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def s3_environ(s3_server: str) -> dict[str, str]:
    """The settings of a document store in a bucket of this test."""
    bucket = f"stocky-{uuid4().hex[:16]}"
    httpx.put(f"{s3_server}/{bucket}").raise_for_status()
    return {
        "STOCKY_BLOB_URL": f"s3://{bucket}/some/prefix",
        "STOCKY_S3_ENDPOINT": s3_server,
        "STOCKY_S3_ACCESS_KEY_ID": "key",
        "STOCKY_S3_SECRET_ACCESS_KEY": "the secret of the store",
    }


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest) -> str:
    """The kind of document store, for tests that run on each."""
    kind: str = request.param
    return kind


@pytest.fixture
def store_environ(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The settings of that document store."""
    if store == "s3":
        settings: dict[str, str] = request.getfixturevalue("s3_environ")
        return settings
    return {"STOCKY_BLOB_URL": f"file://{tmp_path}/documents"}

"""The settings of a document store, and the messages when it cannot be used."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from logging import LogRecord
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.config import Config, ConfigError, load
from stocky.db import make_database
from stocky.documents.blobs import Blobs
from stocky.documents.service import Documents
from stocky.errors import Unavailable
from tests.backup.dumps import finished
from tests.cli.running import stocky
from tests.documents.files import pdf, picture, send, uploaded
from tests.inventory import get, new_item, refused

S3 = {
    "STOCKY_BLOB_URL": "s3://stock-documents/here",
    "STOCKY_S3_ACCESS_KEY_ID": "key",
    "STOCKY_S3_SECRET_ACCESS_KEY": "secret",
}


def test_documents_are_in_the_data_directory_by_default(tmp_path: Path) -> None:
    assert load({"STOCKY_DATA_DIR": str(tmp_path)}).blobs.url == f"file://{tmp_path}/documents"
    elsewhere = load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_BLOB_URL": f"file://{tmp_path}/a b%20c"})
    assert elsewhere.blobs.url == f"file://{tmp_path}/a b%20c"


def test_s3_keys_may_come_from_files_and_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    config = load({
        **S3,
        "STOCKY_DATA_DIR": str(tmp_path),
        "STOCKY_S3_SECRET_ACCESS_KEY": "",
        "STOCKY_S3_SECRET_ACCESS_KEY_FILE": str(tmp_path / "key"),
        "STOCKY_S3_ENDPOINT": "https://s3.example.org/",
        "STOCKY_S3_PATH_STYLE": "False",
    })  # fmt: skip
    assert config.blobs.secret_access_key == "from a file"
    assert (config.blobs.endpoint, config.blobs.path_style) == ("https://s3.example.org", False)
    assert "from a file" not in repr(config) + repr(config.blobs) + str(config.blobs)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"STOCKY_BLOB_URL": "ftp://example.org"}, ["STOCKY_BLOB_URL"]),
        ({"STOCKY_BLOB_URL": "file://"}, ["STOCKY_BLOB_URL"]),
        ({"STOCKY_BLOB_URL": "documents"}, ["STOCKY_BLOB_URL"]),
        ({**S3, "STOCKY_BLOB_URL": "s3://"}, ["STOCKY_BLOB_URL"]),
        ({**S3, "STOCKY_BLOB_URL": "s3://No Bucket/x"}, ["STOCKY_BLOB_URL"]),
        ({"STOCKY_BLOB_URL": "s3://bucket"}, ["STOCKY_S3_ACCESS_KEY_ID", "STOCKY_S3_SECRET_ACCESS_KEY"]),
        ({**S3, "STOCKY_S3_ENDPOINT": "s3.example.org"}, ["STOCKY_S3_ENDPOINT"]),
        ({**S3, "STOCKY_S3_ENDPOINT": "http://[::1:9000"}, ["STOCKY_S3_ENDPOINT"]),
        ({**S3, "STOCKY_S3_ENDPOINT": "http://s3.example.org:abc"}, ["STOCKY_S3_ENDPOINT"]),
        ({**S3, "STOCKY_S3_PATH_STYLE": "maybe"}, ["STOCKY_S3_PATH_STYLE"]),
    ],
)
def test_wrong_settings_are_all_named_at_start(settings: dict[str, str], named: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load({"STOCKY_DATA_DIR": str(tmp_path)} | settings)
    assert [problem.partition(":")[0] for problem in raised.value.problems] == named


@pytest.mark.parametrize("bucket", ["b", "a" * 64, "-bucket", "No Bucket"])
def test_invalid_bucket_name_is_rejected(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load({"STOCKY_DATA_DIR": str(tmp_path), **S3, "STOCKY_BLOB_URL": f"s3://{bucket}/here"})
    (problem,) = raised.value.problems
    assert problem.startswith("STOCKY_BLOB_URL: the name of a bucket has 3 to 63 lower-case letters")


def _store_messages(records: list[LogRecord]) -> list[str]:
    """The log messages about the store."""
    return [each.getMessage() for each in records if each.name == "stocky.documents.service"]


class TestUnreachableStore:
    """No server listens at its address."""

    @pytest.fixture
    def environ(self, environ: dict[str, str]) -> dict[str, str]:
        return environ | S3 | {"STOCKY_S3_ENDPOINT": "http://127.0.0.1:1"}

    @pytest.mark.one_database
    async def test_uploads_get_retry_after_and_everything_else_works(
        self, member: AsyncClient, environ: dict[str, str], caplog: pytest.LogCaptureFixture
    ) -> None:
        item = await new_item(member)
        answer = await send(member, item, pdf())
        refused(answer, 503, "document store", "no connection", "STOCKY_S3_ENDPOINT", "STOCKY_BLOB_URL")
        assert answer.headers["retry-after"]
        assert "secret" not in answer.text + caplog.text
        assert await get(member, "/documents") == []
        assert (await asyncio.to_thread(stocky, environ, "check")).returncode == 0
        # It was also logged when Stocky started.
        for _ in range(400):
            if messages := _store_messages(caplog.get_records("setup") + caplog.get_records("call")):
                break
            await asyncio.sleep(0.05)
        assert len(messages) == 1
        assert "no connection" in messages[0]


class TestMissingBucket:
    """The store responds, but has no such bucket."""

    @pytest.fixture
    def environ(self, environ: dict[str, str], s3_environ: dict[str, str]) -> dict[str, str]:
        return environ | s3_environ

    @pytest.mark.one_database
    async def test_missing_bucket_is_reported_and_no_document_as_missing(
        self, admin: AsyncClient, config: Config, environ: dict[str, str]
    ) -> None:
        item = await new_item(admin)
        document = await uploaded(admin, item, pdf())
        photo = await uploaded(admin, item, picture("PNG"), "photo.png")
        blobs = Blobs(config.blobs)
        for each in (document, photo):
            await blobs.remove(each["sha256"])
        bucket = config.blobs.url.removeprefix("s3://").partition("/")[0]
        async with AsyncClient() as client:
            (await client.delete(f"{config.blobs.endpoint}/{bucket}")).raise_for_status()
        messages = ("document store", "no such bucket", "STOCKY_BLOB_URL")
        refused(await send(admin, item, pdf(12_000_000)), 503, *messages)
        refused(await send(admin, item, pdf(mark="small")), 503, *messages)
        refused(await admin.get(f"/documents/{document['id']}/content"), 503, *messages)
        refused(await admin.get(f"/documents/{photo['id']}/thumbnail"), 503, *messages)
        job = await finished(admin, (await admin.post("/system/backup", json={"kind": "archive"})).json()["job_id"])
        assert (job["status"], job["error_status"]) == ("failed", 503)
        assert "no such bucket" in job["error"]
        with pytest.raises(Unavailable, match="no such bucket"):
            await blobs.remove(photo["sha256"])
        assert "no such bucket" in (await asyncio.to_thread(stocky, environ, "check")).stderr


class _RejectingStore(BaseHTTPRequestHandler):
    """An S3 store that rejects all keys."""

    def _reject(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        error = b"<Error><Code>InvalidAccessKeyId</Code><Message>the secret of the store</Message></Error>"
        content = b"" if self.command == "HEAD" else error
        self.send_response(403)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = _reject  # noqa: N815 - http.server calls them so

    def log_message(self, *args: Any) -> None:
        """Logs nothing."""


@pytest.fixture
def rejecting() -> Iterator[str]:
    """The address of a store that rejects all keys."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _RejectingStore) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_rejected_keys_are_reported_by_setting_name(rejecting: str, tmp_path: Path) -> None:
    config = load({"STOCKY_DATA_DIR": str(tmp_path), **S3, "STOCKY_S3_ENDPOINT": rejecting})
    blobs = Blobs(config.blobs)
    file = tmp_path / "content"
    file.write_bytes(b"content")
    with pytest.raises(Unavailable) as raised:
        await blobs.put("0" * 64, file)
    assert raised.value.detail == (
        "The document store cannot be used now: it rejects the keys (InvalidAccessKeyId); check STOCKY_S3_ACCESS_KEY_ID"
        " and STOCKY_S3_SECRET_ACCESS_KEY, and whether they may use the bucket that STOCKY_BLOB_URL names"
    )
    for asked in (blobs.find_size("0" * 64), blobs.find_thumbnail("0" * 64), blobs.check_usable()):
        with pytest.raises(Unavailable, match="rejects the keys"):
            await asked


async def test_unusable_store_is_logged_at_start(
    rejecting: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no directory")
    for settings, cause in (
        ({**S3, "STOCKY_S3_ENDPOINT": rejecting}, "it rejects the keys (InvalidAccessKeyId); check STOCKY_S3_ACCESS"),
        ({**S3, "STOCKY_S3_ENDPOINT": "http://127.0.0.1:1"}, "there is no connection to it; check STOCKY_S3_ENDPOINT"),
        ({"STOCKY_BLOB_URL": f"file://{tmp_path}/file/documents"}, "Not a directory; check STOCKY_BLOB_URL"),
        ({}, None),
    ):
        caplog.clear()
        config = load({"STOCKY_DATA_DIR": str(tmp_path)} | settings)
        documents = Documents(config, make_database(config))
        documents.start()
        for _ in range(400):
            await asyncio.sleep(0.01 if cause is None else 0.05)
            if caplog.records or cause is None:
                break
        await documents.close()
        messages = _store_messages(caplog.records)
        assert len(messages) == (cause is not None)
        assert all(f"The document store cannot be used now: {cause}" in each for each in messages)
    assert not (tmp_path / "documents").exists()


@pytest.mark.one_database
async def test_partial_files_of_killed_processes_are_removed_after_a_day(tmp_path: Path) -> None:
    config = load({"STOCKY_DATA_DIR": str(tmp_path)})
    directory = tmp_path / "documents" / "contents" / "00"
    directory.mkdir(parents=True)
    old, new = directory / ("0" * 64 + "#1"), directory / ("0" * 63 + "1#1")
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    blobs = Blobs(config.blobs)
    assert [blob async for page in blobs.list() for blob in page] == []
    await blobs.remove_partial_files()
    assert not old.exists()
    assert new.exists()

"""How a document store is set, and what is said when it cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from httpx import AsyncClient

from stocky.config import ConfigError, load
from stocky.documents.blobs import Blobs
from tests.cli.running import stocky
from tests.documents.files import pdf, send
from tests.inventory import get, new_item, refused

S3 = {
    "STOCKY_BLOB_URL": "s3://stock-documents/here",
    "STOCKY_S3_ACCESS_KEY_ID": "key",
    "STOCKY_S3_SECRET_ACCESS_KEY": "secret",
}


def test_documents_lie_in_the_data_directory_unless_said_otherwise(tmp_path: Path) -> None:
    assert load({"STOCKY_DATA_DIR": str(tmp_path)}).blobs.url == f"file://{tmp_path}/documents"
    elsewhere = load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_BLOB_URL": f"file://{tmp_path}/a b%20c"})
    assert elsewhere.blobs.url == f"file://{tmp_path}/a b%20c"


def test_a_store_elsewhere_has_keys_that_may_come_from_files_and_are_never_shown(tmp_path: Path) -> None:
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
        ({**S3, "STOCKY_S3_PATH_STYLE": "maybe"}, ["STOCKY_S3_PATH_STYLE"]),
    ],
)
def test_what_is_wrong_is_told_at_once_and_by_name(settings: dict[str, str], named: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load({"STOCKY_DATA_DIR": str(tmp_path)} | settings)
    assert [problem.partition(":")[0] for problem in raised.value.problems] == named


class TestOfAStoreThatIsAway:
    """Nobody listens at its address."""

    @pytest.fixture
    def environ(self, environ: dict[str, str]) -> dict[str, str]:
        return environ | S3 | {"STOCKY_S3_ENDPOINT": "http://127.0.0.1:1"}

    @pytest.mark.one_database
    async def test_uploads_are_told_to_come_again_and_everything_else_goes_on(
        self, member: AsyncClient, environ: dict[str, str]
    ) -> None:
        item = await new_item(member)
        answer = await send(member, item, pdf())
        refused(answer, 503, "document store", "STOCKY_BLOB_URL")
        assert answer.headers["retry-after"]
        assert "secret" not in answer.text
        assert await get(member, "/documents") == []
        assert stocky(environ, "check").stdout == ""


@pytest.mark.one_database
async def test_what_a_killed_process_left_half_written_is_swept_a_day_later(tmp_path: Path) -> None:
    config = load({"STOCKY_DATA_DIR": str(tmp_path)})
    directory = tmp_path / "documents" / "contents" / "00"
    directory.mkdir(parents=True)
    old, new = directory / ("0" * 64 + "#1"), directory / ("0" * 63 + "1#1")
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    blobs = Blobs(config.blobs)
    assert [blob async for page in blobs.list() for blob in page] == []
    await blobs.sweep()
    assert not old.exists()
    assert new.exists()

"""Off-site destinations: a directory, and a bucket of a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.line import Line, line_to


@pytest.fixture
def bucket(s3_server: str) -> str:
    """A bucket of this test."""
    name = f"stocky-{uuid4().hex[:16]}"
    httpx.put(f"{s3_server}/{name}").raise_for_status()
    return name


@pytest.fixture
def s3_environ(s3_server: str, bucket: str) -> dict[str, str]:
    """The settings of a copy in that bucket."""
    return {
        "STOCKY_OFFSITE_URL": f"s3://{bucket}/some/prefix",
        "STOCKY_OFFSITE_S3_ENDPOINT": s3_server,
        "STOCKY_OFFSITE_S3_ACCESS_KEY_ID": "key",
        "STOCKY_OFFSITE_S3_SECRET_ACCESS_KEY": "the secret of the bucket",
    }


@pytest.fixture
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory like a mounted share."""
    return tmp_path_factory.mktemp("share")


@pytest.fixture(params=["directory", "bucket"])
def offsite_environ(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of a destination of each kind, for tests that run on both."""
    if request.param == "bucket":
        settings: dict[str, str] = request.getfixturevalue("s3_environ")
        return settings
    return {"STOCKY_OFFSITE_URL": f"file://{request.getfixturevalue('share')}"}


@pytest.fixture
def line(s3_server: str) -> Iterator[Line]:
    """A line to the S3 server."""
    with line_to(s3_server) as line:
        yield line

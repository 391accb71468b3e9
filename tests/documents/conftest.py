"""Document stores on disk and in a real S3 server."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import httpx
import pytest


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

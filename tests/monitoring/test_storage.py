"""The space that data and backups use."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from stocky.config import BlobSettings, Config
from stocky.disk import size_of
from stocky.monitoring import storage
from stocky.monitoring.storage import Storage


def _fill(directory: Path, name: str, size: int) -> None:
    file = directory / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))


def test_size_is_of_files_below(tmp_path: Path) -> None:
    _fill(tmp_path, "a", 10)
    _fill(tmp_path, "b/c/d", 200)
    _fill(tmp_path, "left/e", 4_000)
    os.symlink("/usr", tmp_path / "b" / "link")
    link = (tmp_path / "b" / "link").lstat().st_size
    assert size_of(tmp_path) == 4_210 + link
    assert size_of(tmp_path, without=tmp_path / "left") == 210 + link
    assert size_of(tmp_path / "missing") == 0
    assert size_of(tmp_path, most_files=1) < size_of(tmp_path)


async def test_use_is_measured_and_cached(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(config.backup_dir, "old.zip", 5_000)
    _fill(config.data_dir, "documents/ab/cd", 300)
    own = Storage(config)
    use = await own.measure()
    assert (use.backups, use.documents, use.is_same_disk) == (5_000, 300, True)
    assert (use.database is None) is (config.dialect == "postgres")
    assert use.database is None or use.database >= config.sqlite_path.stat().st_size
    assert use.data_free
    assert use.backups_free
    _fill(config.backup_dir, "new.zip", 70)
    assert await own.measure() is use
    monkeypatch.setattr(storage, "CACHED_SECONDS", 0)
    monkeypatch.setattr(storage, "LOW_BYTES", 2**60)
    later = await Storage(config).measure()
    assert later.backups == 5_070
    assert later.is_low


@pytest.mark.one_database
async def test_directories_that_are_not_made_yet_are_empty(config: Config, tmp_path: Path) -> None:
    bare = msgspec.structs.replace(
        config, backup_dir=tmp_path / "no" / "backups", blobs=BlobSettings(url="s3://bucket/prefix")
    )
    use = await Storage(bare).measure()
    assert (use.backups, use.documents) == (0, None)
    assert use.backups_free

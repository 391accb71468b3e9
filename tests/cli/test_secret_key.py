"""The stored secret key: created by the first start and not earlier, and rejected when it is damaged."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stocky import disk
from stocky.config import ConfigError, load, with_secret_key
from stocky.secret_key import make_stored_key
from tests.cli.running import stocky


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"short\n", "has 5 characters"), (b"\xff" * 64, "is not text")],
)
def test_invalid_stored_key_is_rejected_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "secret-key").write_bytes(content)
    for arguments in (["serve", "--port", "0"], ["migrate"], ["check"]):
        answer = stocky({"STOCKY_DATA_DIR": str(tmp_path)}, *arguments)
        assert answer.returncode == 1
        assert answer.stderr.count("\n") == 1, answer.stderr
        assert f"stocky: STOCKY_DATA_DIR: the secret key {tmp_path / 'secret-key'} {words}" in answer.stderr
        assert "delete it: a new key is then made" in answer.stderr
    assert (tmp_path / "secret-key").read_bytes() == content


def test_configured_key_takes_precedence_over_stored_key(tmp_path: Path) -> None:
    (tmp_path / "secret-key").touch()
    assert load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_SECRET_KEY": "k" * 32}).secret_key == "k" * 32


@pytest.mark.parametrize("name", ["STOCKY_SECRET_KEY", "STOCKY_DATABASE_URL", "STOCKY_S3_SECRET_ACCESS_KEY"])
def test_empty_settings_file_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text("\n")
    with pytest.raises(ConfigError) as refused:
        load({"STOCKY_DATA_DIR": str(tmp_path), f"{name}_FILE": str(file)})
    assert refused.value.problems == [f"{name}_FILE: {file} is empty"]


def test_loading_settings_creates_no_key(tmp_path: Path) -> None:
    environ = {"STOCKY_DATA_DIR": str(tmp_path / "data")}
    config = load(environ)
    assert config.secret_key == ""
    assert not (tmp_path / "data").exists()
    made = with_secret_key(config)
    assert len(made.secret_key) >= 32
    file = tmp_path / "data" / "secret-key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert load(environ).secret_key == with_secret_key(config).secret_key == made.secret_key
    assert os.listdir(tmp_path / "data") == ["secret-key"]


def test_concurrent_first_starts_with_the_same_pid_use_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync, keys = os.fsync, []

    def start_another(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        keys.append(make_stored_key(tmp_path))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", start_another)
    # Both run in this process, so their PIDs are equal, as in containers.
    keys.append(make_stored_key(tmp_path))
    assert keys == [(tmp_path / "secret-key").read_text()] * 2
    assert os.listdir(tmp_path) == ["secret-key"]


@pytest.mark.parametrize("has_renameat2", [True, False])
def test_first_key_is_used_on_file_system_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_renameat2: bool
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    # As on exFAT; test_file_systems tests it with a kernel that refuses.
    monkeypatch.setattr(os, "link", refuse)
    if not has_renameat2:
        monkeypatch.setattr(disk, "_renameat2", lambda: None)
    key = make_stored_key(tmp_path)
    assert make_stored_key(tmp_path) == key
    (tmp_path / "another").write_text("another")
    with pytest.raises(FileExistsError):
        disk.move_new(tmp_path / "another", tmp_path / "secret-key")
    assert (tmp_path / "secret-key").read_text() == key
    assert sorted(os.listdir(tmp_path)) == ["another", "secret-key"]

"""Invalid environment settings are rejected by name at start."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocky.config import ConfigError, load


@pytest.mark.parametrize("origins", ["*", "https://*.example.org", "https://stock.example.org,*", '["http://*"]'])
def test_wildcard_origin_is_rejected(origins: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_ALLOWED_ORIGINS": origins})
    (problem,) = refusal.value.problems
    assert problem.startswith("STOCKY_ALLOWED_ORIGINS: ")
    assert "wildcard" in problem


@pytest.mark.parametrize(
    "origin", ["stock.example.org", "https://stock.example.org/app", "https://[::1", "https://stock.example.org:port"]
)
def test_wrong_origin_is_rejected(origin: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_ALLOWED_ORIGINS": origin})
    assert refusal.value.problems == [
        f"STOCKY_ALLOWED_ORIGINS: {origin!r} is not an origin like https://stock.example.org"
    ]


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("https://anna@stock.example.org", "user name"),
        ("https://stock.example.org?x=1", "query"),
        ("https://stock.example.org/#x", "fragment"),
    ],
)
def test_origin_with_more_than_an_origin_is_rejected(origin: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_ALLOWED_ORIGINS": origin})
    assert refusal.value.problems == [
        f"STOCKY_ALLOWED_ORIGINS: {origin!r} has a {name}; an origin is only like https://stock.example.org"
    ]


def test_origins_are_read_as_browsers_send_them(tmp_path: Path) -> None:
    origins = "HTTPS://Stock.Example.org:443/, http://shop.example:80, http://shop.example:8080, https://[2001:DB8::1]"
    assert load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_ALLOWED_ORIGINS": origins}).allowed_origins == (
        "https://stock.example.org",
        "http://shop.example",
        "http://shop.example:8080",
        "https://[2001:db8::1]",
    )


@pytest.mark.parametrize(
    ("name", "address"),
    [
        *((f"STOCKY_{each}", "{}") for each in ("DATA_DIR", "BACKUP_DIR", "UDS", "TLS_CERT", "MQTT_CA")),
        *(
            ("STOCKY_DATABASE_URL", "sqlite:///{}"),
            ("STOCKY_BLOB_URL", "file://{}"),
            ("STOCKY_OFFSITE_URL", "file://{}"),
        ),
    ],
)
def test_path_that_cannot_be_resolved_is_rejected_by_name(name: str, address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load({"STOCKY_DATA_DIR": str(tmp_path), name: address.format("~nobody-of-this-name/x")})
    assert refusal.value.problems == [
        f"{name}: the path '~nobody-of-this-name/x' cannot be resolved (Could not determine home directory)"
    ]


def test_deleted_working_directory_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError) as refusal:
        load({})
    assert refusal.value.problems == [
        "STOCKY_DATA_DIR: the path './data' cannot be resolved (No such file or directory)"
    ]


@pytest.mark.parametrize(
    ("name", "address", "advice"),
    [
        ("STOCKY_BLOB_URL", "file://mnt/nas", "begin with file:/// and a path"),
        ("STOCKY_OFFSITE_URL", "file://mnt/nas", "begin with file:/// and a path"),
        ("STOCKY_DATABASE_URL", "sqlite://srv/stocky.db", "name a file, as in sqlite:////srv/stocky/stocky.db"),
    ],
)
def test_address_with_two_slashes_is_rejected(name: str, address: str, advice: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load({"STOCKY_DATA_DIR": str(tmp_path), name: address})
    (problem,) = refusal.value.problems
    assert problem.startswith(f"{name}: {advice}")


def test_address_may_name_a_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config = load({
        "STOCKY_DATA_DIR": "~/data",
        "STOCKY_BLOB_URL": "file://~/documents",
        "STOCKY_DATABASE_URL": "sqlite:///~/stocky.db",
    })  # fmt: skip
    assert config.data_dir == tmp_path / "data"
    assert config.blobs.url == f"file://{tmp_path}/documents"
    assert config.sqlite_path == tmp_path / "stocky.db"

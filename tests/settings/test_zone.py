"""The time zone of times of day: the setting, else TZ, else the system's."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

import stocky.clock
from stocky.clock import local_zone
from stocky.config import ConfigError, load
from tests.serving import serve


def test_setting_takes_precedence_over_tz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert local_zone("Europe/Berlin") == (ZoneInfo("Europe/Berlin"), "Europe/Berlin")
    assert local_zone("") == (ZoneInfo("Asia/Tokyo"), "Asia/Tokyo")
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    assert local_zone("")[1] == "Asia/Tokyo"
    monkeypatch.setenv("TZ", "")
    assert local_zone("")[1] == "UTC"


def test_tz_without_a_zone_name_is_left_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    zone, name = local_zone("")
    assert zone is None
    assert name.startswith("UTC")


def test_default_zone_is_etc_localtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TZ", raising=False)
    file = tmp_path / "usr/share/zoneinfo/Europe/Berlin"
    file.parent.mkdir(parents=True)
    file.touch()
    (tmp_path / "localtime").symlink_to(file)
    monkeypatch.setattr(stocky.clock, "_LOCALTIME", tmp_path / "localtime")
    assert local_zone("") == (ZoneInfo("Europe/Berlin"), "Europe/Berlin")
    monkeypatch.setattr(stocky.clock, "_LOCALTIME", tmp_path / "nothing")
    assert local_zone("")[1] == "UTC"


def test_service_uses_and_logs_the_configured_zone(
    environ: dict[str, str], keys: dict[str, str], tmp_path: Path
) -> None:
    with serve(environ | {"STOCKY_TIMEZONE": "Asia/Tokyo"}, tmp_path) as server:
        shown = httpx.get(f"{server.api}/settings", headers={"X-API-Key": keys["admin"]}, follow_redirects=True)
        assert shown.json()["timezone"] == "Asia/Tokyo"
    assert "are in the time zone Asia/Tokyo" in server.log


@pytest.mark.parametrize("name", ["Europe/Berlyn", "../../etc/passwd", "/etc/localtime", "Europe", "CET-1CEST"])
def test_unknown_zone_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"STOCKY_TIMEZONE: .* is not a time zone"):
        load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_TIMEZONE": name})
    assert load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_TIMEZONE": "Europe/Berlin"}).timezone == "Europe/Berlin"

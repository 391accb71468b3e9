"""The settings of MQTT: wrong ones are refused at start by name, and no message holds a password or a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocky.config import Config, ConfigError, load
from tests.cli.running import stocky

KEY = "stk_abc123_" + "x" * 40
URL = "mqtt://user:hunter2@broker.example.org:1884"

pytestmark = pytest.mark.one_database


def _load(tmp_path: Path, **settings: str) -> Config:
    return load({"STOCKY_DATA_DIR": str(tmp_path)} | {f"STOCKY_MQTT_{name}": text for name, text in settings.items()})


def test_mqtt_is_off_without_a_broker(tmp_path: Path) -> None:
    assert _load(tmp_path).mqtt is None
    assert _load(tmp_path, API_KEY=KEY, PREFIX="home/stocky").mqtt is None


def test_settings_are_read(tmp_path: Path) -> None:
    settings = _load(tmp_path, URL=URL, API_KEY=KEY).mqtt
    assert settings is not None
    broker = settings.broker
    assert (broker.host, broker.port, broker.is_tls, broker.username, broker.password) == (
        "broker.example.org",
        1884,
        False,
        "user",
        "hunter2",
    )
    assert (settings.prefix, settings.client_id, settings.discovery_prefix) == ("stocky", "stocky", "homeassistant")
    assert "hunter2" not in repr(settings)
    assert KEY not in repr(settings)
    (tmp_path / "url").write_text("mqtts://us%40er:p%2F%3A%40@[::1]\n")
    (tmp_path / "key").write_text(KEY)
    files = {"URL_FILE": str(tmp_path / "url"), "API_KEY_FILE": str(tmp_path / "key")}
    settings = _load(tmp_path, **files, PREFIX="home/stocky", DISCOVERY_PREFIX="Off", TAG="watched").mqtt
    assert settings is not None
    assert (settings.broker.host, settings.broker.port, settings.broker.is_tls) == ("::1", 8883, True)
    assert (settings.broker.username, settings.broker.password, settings.broker.name) == ("us@er", "p/:@", "[::1]:8883")
    assert (settings.client_id, settings.discovery_prefix, settings.tag) == ("home-stocky-44ec4527", "", "watched")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"URL": "broker.example.org"}, "URL: this is not an address like mqtt://"),
        ({"URL": "http://user:hunter2@broker"}, "URL: this is not an address like mqtt://"),
        ({"URL": "mqtt://:1883"}, "URL: this is not an address like mqtt://"),
        ({"URL": "mqtt://user:hunter2@broker:port"}, "URL: this is not an address like mqtt://"),
        ({"URL": "mqtt://user:hunter2@broker/topic"}, "URL: has a path or a query"),
        ({"URL": "mqtt://:hunter2@broker"}, "URL: has a password without a user"),
        ({"API_KEY": ""}, "API_KEY: is needed with STOCKY_MQTT_URL; create one with 'stocky create-key"),
        ({"API_KEY": "hunter2"}, "API_KEY: this is not an API key of Stocky"),
        ({"PREFIX": "stocky/#"}, "PREFIX: 'stocky/#' is not a topic like stocky"),
        ({"PREFIX": "/stocky"}, "PREFIX: '/stocky' is not a topic like stocky"),
        ({"PREFIX": "s" * 101}, "PREFIX: "),
        ({"DISCOVERY_PREFIX": "home assistant"}, "DISCOVERY_PREFIX: 'home assistant' is not a topic"),
        ({"CA": "/tmp/ca.pem"}, "CA: goes with an address STOCKY_MQTT_URL that begins with mqtts://"),
    ],
)
def test_wrong_setting_is_refused_by_name(tmp_path: Path, settings: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        _load(tmp_path, **({"URL": URL, "API_KEY": KEY} | settings))
    [line] = refusal.value.problems
    assert line.startswith(f"STOCKY_MQTT_{problem}")
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), ("no certificate", "not a certificate in PEM")]
)
def test_unusable_authorities_are_refused_at_start(tmp_path: Path, content: str | None, words: str) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)
    environ = {"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_MQTT_URL": "mqtts://broker", "STOCKY_MQTT_API_KEY": KEY}
    ended = stocky(environ | {"STOCKY_MQTT_CA": str(ca)}, "serve")
    assert ended.returncode != 0
    assert "STOCKY_MQTT_CA: " in ended.stderr
    assert words in ended.stderr

"""The settings of assistance: off without a key; wrong ones are refused at start by name, without the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocky.config import Config, ConfigError, load

KEY = "sk-secret-key-0123456789"

pytestmark = pytest.mark.one_database


def _load(tmp_path: Path, **settings: str) -> Config:
    return load({"STOCKY_DATA_DIR": str(tmp_path)} | {f"STOCKY_AI_{name}": text for name, text in settings.items()})


def test_assistance_is_off_without_a_key(tmp_path: Path) -> None:
    assert _load(tmp_path).assistance is None
    assert _load(tmp_path, MODEL="llama3.2", BASE_URL="http://127.0.0.1:11434/v1", PHOTOS="true").assistance is None


def test_settings_are_read(tmp_path: Path) -> None:
    settings = _load(tmp_path, API_KEY=KEY, MODEL="gpt-4o-mini").assistance
    assert settings is not None
    assert (settings.base_url, settings.server) == ("https://api.openai.com/v1", "api.openai.com")
    assert (settings.photos, settings.daily_requests, settings.daily_tokens) == (False, 100, 500_000)
    assert KEY not in repr(settings)
    (tmp_path / "key").write_text(f"{KEY}\n")
    settings = _load(
        tmp_path,
        API_KEY_FILE=str(tmp_path / "key"),
        MODEL="llama3.2-vision:11b",
        BASE_URL="http://[::1]:11434/v1/",
        PHOTOS="True",
        DAILY_REQUESTS="5",
        DAILY_TOKENS="60000",
        TIMEOUT="120",
    ).assistance
    assert settings is not None
    assert (settings.api_key, settings.base_url) == (KEY, "http://[::1]:11434/v1")
    assert (settings.photos, settings.daily_requests, settings.daily_tokens, settings.timeout) == (True, 5, 60_000, 120)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"MODEL": ""}, "MODEL: is needed with STOCKY_AI_API_KEY"),
        ({"MODEL": "two words"}, "MODEL: this is not the name of a model"),
        ({"API_KEY": f"{KEY} {KEY}"}, "API_KEY: a key has ASCII characters only"),
        ({"API_KEY": "schlüssel"}, "API_KEY: a key has ASCII characters only"),
        ({"BASE_URL": "127.0.0.1:11434"}, "BASE_URL: this is not an address like"),
        ({"BASE_URL": "ftp://example.org/v1"}, "BASE_URL: this is not an address like"),
        ({"BASE_URL": "http://example.org:99999/v1"}, "BASE_URL: this is not an address like"),
        ({"BASE_URL": "http://example.org/v1 x"}, "BASE_URL: this is not an address like"),
        ({"BASE_URL": f"https://user:{KEY}@example.org/v1"}, "BASE_URL: has a user or a password"),
        ({"BASE_URL": "https://example.org/v1?version=2"}, "BASE_URL: has a query"),
        ({"PHOTOS": "yes"}, "PHOTOS: 'yes' is not one of true, false"),
        ({"DAILY_REQUESTS": "0"}, "DAILY_REQUESTS: '0' is not a whole number"),
        ({"DAILY_TOKENS": "100"}, "DAILY_TOKENS: '100' is not a whole number"),
        ({"TIMEOUT": "never"}, "TIMEOUT: 'never' is not a whole number"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path: Path, settings: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, **({"API_KEY": KEY, "MODEL": "m"} | settings))
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith(f"STOCKY_AI_{problem}")
    assert KEY not in str(refused.value)

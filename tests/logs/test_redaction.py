"""No secret gets into a log, in any part of a record."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from stocky.config import load
from stocky.logs.memory import MemoryLog
from stocky.logs.redaction import redact
from stocky.logs.schemas import LogFilter
from stocky.logs.setup import configure_logging

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KEY = "stk_abcdefghijkl_0123456789abcdefghijklmnop"


@pytest.fixture
def log() -> Iterator[MemoryLog]:
    memory = MemoryLog(100)
    logger = logging.getLogger("tests.redaction")
    logger.addHandler(memory)
    logger.setLevel(logging.DEBUG)
    yield memory
    logger.removeHandler(memory)


LOGGER = logging.getLogger("tests.redaction")


def _kept(log: MemoryLog) -> str:
    return json.dumps([[entry.message, entry.extra_data] for entry in log.list_entries(LogFilter(), 0, 100)])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Authorization: Bearer {JWT}", JWT),
        ("Authorization: Basic YW5uYTpodW50ZXIy", "YW5uYTpodW50ZXIy"),
        (f"X-API-Key: {KEY}", KEY),
        ("{'x-api-key': 'something else'}", "something"),
        ("[(b'authorization', b'Bearer opaque-value')]", "opaque"),
        ("password=hunter2 was wrong", "hunter2"),
        ('{"current_password": "hunter 2 and more", "x": 1}', "hunter"),
        ('{"new_password":"a \\" quoted secret"}', "quoted"),
        ("/login?username=anna&password=hunter2&x=1", "hunter2"),
        ('{"refresh_token": "kJ3abcdef"}', "kJ3abcdef"),
        ("STOCKY_SECRET_KEY=0123456789abcdef0123456789abcdef", "0123456789abcdef"),
        (f"what came was {JWT} only", JWT.split(".")[1]),
        (f"a key {KEY} in the middle", KEY[4:]),
        ("signed with whsec_MfKQ9r8GKYqrTwj+UPD8/ILPZIo2 or so", "MfKQ9r8GKYqrTwj+UPD8/ILPZIo2"),
        ("postgresql://stocky:hun:ter@2@db:5432/stocky is away", "hun:ter"),
        ("Cookie: stocky_refresh=kJ3abcdef", "kJ3abcdef"),
    ],
)
def test_only_the_secret_is_masked(text: str, secret: str) -> None:
    masked = redact(text)
    assert secret not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect username or password",
        "The token is invalid or expired",
        "Applied 3 migrations, the last one 0003.item-detail",
        "GET https://example.org/path: 503",
        "https://example.org:8000/a@b",
    ],
)
def test_ordinary_text_is_not_masked(text: str) -> None:
    assert redact(text) == text


def test_secret_in_arguments_is_masked(log: MemoryLog) -> None:
    LOGGER.info("headers %s and %r", {"X-API-Key": KEY}, f"Bearer {JWT}")
    assert KEY not in _kept(log)
    assert JWT not in _kept(log)
    assert "headers" in _kept(log)


def test_secret_in_exception_is_masked(log: MemoryLog) -> None:
    try:
        raise ValueError("cannot connect to postgresql://stocky:hunter2@db/stocky")
    except ValueError:
        LOGGER.exception("failed")
    assert "hunter2" not in _kept(log)
    assert "cannot connect" in _kept(log)


def test_secret_in_extra_is_masked_by_name_and_by_pattern(log: MemoryLog) -> None:
    LOGGER.info("x", extra={"password": "hunter2", "request": {"api_key": "abc", "path": f"/x?k={KEY}"}, "count": 3})
    entry = log.list_entries(LogFilter(), 0, 1)[0]
    assert entry.extra_data == {"password": "***", "request": {"api_key": "***", "path": "/x?k=***"}, "count": 3}


def test_wrong_format_string_keeps_the_message_but_no_secret(log: MemoryLog) -> None:
    LOGGER.info("two %s %s", f"Bearer {JWT}")
    assert "two" in _kept(log)
    assert JWT not in _kept(log)


def test_long_message_is_cut(log: MemoryLog) -> None:
    LOGGER.info("x" * 1_000_000 + " %s", KEY)
    assert len(log.list_entries(LogFilter(), 0, 1)[0].message) < 10_000


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_standard_error_has_no_secret(
    log_format: str, tmp_path: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logging(load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_LOG_FORMAT": log_format}))
        try:
            raise ValueError(f"bad key {KEY}")
        except ValueError:
            LOGGER.warning("password=%s", "hunter2", exc_info=True, extra={"token": "kJ3abcdef"})
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    written = capsys.readouterr().err
    assert "hunter2" not in written
    assert KEY not in written
    assert "kJ3abcdef" not in written
    assert "bad key" in written
    if log_format == "json":
        line = json.loads(written)
        assert line["level"] == "warning"
        assert line["extra_data"] == {"token": "***"}

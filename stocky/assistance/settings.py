"""The settings of assistance, and how their texts are read; a message of an error never holds the key."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from msgspec import Struct

from stocky.environment import EnvironmentReader, split_web_address

DEFAULT_BASE_URL = "https://api.openai.com/v1"
DEFAULT_REQUESTS = 100
DEFAULT_TOKENS = 500_000
# More than one request can use, so that any limit allows one.
LEAST_TOKENS = 50_000
# What a header may hold, without blanks.
_KEY = re.compile(r"[\x21-\x7e]{1,1000}")
_MODEL = re.compile(r"[\x21-\x7e]{1,200}")


class AssistanceSettings(Struct, frozen=True, kw_only=True):
    """All settings of assistance; `api_key` is never shown. The limits count for a day in UTC."""

    api_key: str
    model: str
    base_url: str = DEFAULT_BASE_URL
    photos: bool = False
    daily_requests: int = DEFAULT_REQUESTS
    daily_tokens: int = DEFAULT_TOKENS
    # Seconds for a whole request.
    timeout: int = 60

    def __repr__(self) -> str:
        return f"AssistanceSettings(model={self.model!r}, server={self.server!r})"

    @property
    def server(self) -> str:
        """Host and port of the server, for messages."""
        return urlsplit(self.base_url).netloc


def read_base_url(text: str) -> str:
    """Raises ValueError for a text that is not the address of a server."""
    parts = split_web_address(text)
    if parts is None or not text.isascii() or any(each <= " " or each in '<>"\\^`{|}' for each in text):
        raise ValueError(f"this is not an address like {DEFAULT_BASE_URL} or http://127.0.0.1:11434/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("has a user or a password; the key goes into STOCKY_AI_API_KEY")
    if parts.query or parts.fragment:
        raise ValueError("has a query or a part after #, to which /chat/completions cannot be appended")
    return text.rstrip("/")


def read_model(text: str) -> str:
    """Raises ValueError for a text that cannot name a model."""
    if not _MODEL.fullmatch(text):
        raise ValueError("this is not the name of a model, which has at most 200 ASCII characters and no blanks")
    return text


def read_api_key(text: str) -> str:
    """Raises ValueError for a text that cannot be sent as a key."""
    if not _KEY.fullmatch(text):
        raise ValueError("a key has ASCII characters only, without blanks; for a server that needs none use any text")
    return text


def read_settings(reader: EnvironmentReader) -> AssistanceSettings | None:
    """The settings of assistance; None without a key, or with a problem."""
    problems = len(reader.problems)
    api_key = reader.text("STOCKY_AI_API_KEY", "", secret=True)
    model = reader.text("STOCKY_AI_MODEL", "")
    base_url = reader.parsed("STOCKY_AI_BASE_URL", read_base_url, reader.text("STOCKY_AI_BASE_URL", DEFAULT_BASE_URL))
    photos = reader.choice("STOCKY_AI_PHOTOS", "false", ("true", "false")) == "true"
    daily_requests = reader.number("STOCKY_AI_DAILY_REQUESTS", DEFAULT_REQUESTS, 1, 1_000_000)
    daily_tokens = reader.number("STOCKY_AI_DAILY_TOKENS", DEFAULT_TOKENS, LEAST_TOKENS, 10**12)
    timeout = reader.number("STOCKY_AI_TIMEOUT", 60, 1, 600)
    if model:
        reader.parsed("STOCKY_AI_MODEL", read_model, model)
    if not api_key:
        return None
    reader.parsed("STOCKY_AI_API_KEY", read_api_key, api_key)
    if not model:
        reader.problems.append("STOCKY_AI_MODEL: is needed with STOCKY_AI_API_KEY; the name of a model of the server")
    if base_url is None or len(reader.problems) > problems:
        return None
    return AssistanceSettings(
        api_key=api_key,
        model=model,
        base_url=base_url,
        photos=photos,
        daily_requests=daily_requests,
        daily_tokens=daily_tokens,
        timeout=timeout,
    )

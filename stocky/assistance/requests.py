"""The request to the child process that asks a model, and its outcome; the key goes through a pipe."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from stocky.worker.messages import Request


class ModelRequest(Request, frozen=True, kw_only=True):
    """Ask `model` at `base_url` for one answer, as JSON of `schema` where `is_strict`.

    `photo` is a JPEG of an item, in Base64. The parent limits the whole; `timeout` is for each read, in seconds.
    """

    entry: ClassVar[str] = "stocky.assistance.model_child:ask"
    base_url: str
    api_key: str
    model: str
    timeout: int
    instructions: str
    question: str
    schema: dict[str, Any]
    is_strict: bool
    most_tokens: int
    photo: str | None = None


class ModelOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The text of an answer and the tokens it used, or why there is none.

    `failure` says what kind of failure it is, `status` the HTTP status, if any, `detail` the reason for people without
    the key, and `retry_after` the seconds that the server asked to wait.
    """

    text: str = ""
    tokens: int | None = None
    failure: Literal["", "certificates", "status", "unreachable", "timeout", "too_long", "no_answer"] = ""
    status: int | None = None
    detail: str = ""
    retry_after: int | None = None

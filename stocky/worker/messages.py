"""The messages between Stocky and a child process: one JSON object per line.

A request names the function that does its work, so the worker imports no feature.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from stocky import errors
from stocky.errors import StockyError, Unavailable


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a child process.

    `entry` names the function that does it, as "module:name". It takes the request, typed by its first annotation,
    and a progress callback; it may write data to standard output, and what it returns is the result.
    """

    entry: ClassVar[str]


class Call(msgspec.Struct, frozen=True):
    """A request as it is sent: the function to call, and its first argument as JSON."""

    entry: str
    request: msgspec.Raw


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """The progress of the work: `done` of `total` units; `total` is None when unknown."""

    phase: str
    done: int
    total: int | None
    unit: str


class Result(msgspec.Struct, frozen=True, tag="result"):
    """The result of the work."""

    value: msgspec.Raw


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """A StockyError sent to the parent, by its class name."""

    kind: str
    detail: str
    retry_after: int | None = None

    @classmethod
    def of(cls, error: StockyError) -> Failure:
        """The message for an error."""
        retry_after = error.headers.get("Retry-After")
        return cls(type(error).__name__, error.detail, int(retry_after) if retry_after else None)

    def error(self) -> StockyError:
        """The error to raise in the parent."""
        if self.retry_after is not None:
            return Unavailable(self.detail, retry_after=self.retry_after)
        made: StockyError = getattr(errors, self.kind)(self.detail)
        return made


# A line from the child.
Message = Progress | Result | Failure


def encode_request(request: Request) -> bytes:
    """The request as one line of JSON."""
    return msgspec.json.encode(Call(request.entry, msgspec.Raw(msgspec.json.encode(request))))

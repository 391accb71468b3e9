"""What a child process is asked for and what it answers: one JSON object a line.

A request names the function that does its work, so the worker imports no feature.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from stocky import errors
from stocky.errors import StockyError, Unavailable


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Work for a child process.

    `entry` names the function that does it, as "module:name". It takes the request, typed by its first annotation,
    and a progress callback; it may write data to standard output, and what it returns is the result.
    """

    entry: ClassVar[str]


class Call(msgspec.Struct, frozen=True):
    """A request as it is sent: the function to call, and its first argument as JSON."""

    entry: str
    request: msgspec.Raw


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How far the work is: `done` of `total` units, or of nobody knows how many."""

    phase: str
    done: int
    total: int | None
    unit: str


class Result(msgspec.Struct, frozen=True, tag="result"):
    """What the work came to."""

    value: msgspec.Raw


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """A StockyError on its way from one process to another, by the name of its class."""

    kind: str
    detail: str
    retry_after: int | None = None

    @classmethod
    def of(cls, error: StockyError) -> Failure:
        """What the child sends of an error."""
        retry_after = error.headers.get("Retry-After")
        return cls(type(error).__name__, error.detail, int(retry_after) if retry_after else None)

    def error(self) -> StockyError:
        """What the parent raises."""
        if self.retry_after is not None:
            return Unavailable(self.detail, retry_after=self.retry_after)
        made: StockyError = getattr(errors, self.kind)(self.detail)
        return made


# A line from the child.
Message = Progress | Result | Failure


def encode_request(request: Request) -> bytes:
    """One line."""
    return msgspec.json.encode(Call(request.entry, msgspec.Raw(msgspec.json.encode(request))))

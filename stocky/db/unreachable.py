"""No connection to the database: clients are told that it is away, its operator which one, why and what to check."""

from __future__ import annotations

import os
import re
import socket

from stocky.database_address import PostgresAddress
from stocky.errors import Unavailable

_NO_DATABASE = "3D000"
# As asyncio names each address it has tried, where a host has several.
_TRIED = re.compile(r"\[Errno (-?\d+)\]")


class Unreachable(Unavailable):
    """No connection to `address`. Only `described` names the address and the cause: `detail` is for clients."""

    def __init__(self, detail: str, address: PostgresAddress, reason: str, *, retry_after: int = 1) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.address = address
        self.reason = reason

    def described(self, setting: str) -> str:
        """What is wrong and what to do next, for the operator; `setting` holds the address."""
        return (
            f"Cannot connect to the database {self.address.shown}: {self.reason}."
            f" Check {setting}, and that the server runs and lets this user in"
        )


def reason_of(error: Exception) -> str:
    """Why there is no connection, in a few words; never a password."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "the name of the host is not known"
    if not isinstance(error, OSError):
        # In the server's words, or in the driver's.
        words = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        return f"{words} (create it with 'createdb')" if getattr(error, "sqlstate", None) == _NO_DATABASE else words
    numbers = {int(number) for number in _TRIED.findall(str(error))} or {error.errno or 0}
    return ", ".join(sorted(os.strerror(number) for number in numbers)) if 0 not in numbers else str(error)

"""The error for an unreachable database; only the operator's message has the address and the cause."""

from __future__ import annotations

import os
import re
import socket

from stocky.database_address import PostgresAddress
from stocky.errors import Unavailable

_NO_DATABASE = "3D000"
# asyncio's format for each address it tried, where a host has several.
_TRIED = re.compile(r"\[Errno (-?\d+)\]")


class Unreachable(Unavailable):
    """No connection to `address`. Only `described` includes the address and the cause; `detail` is for clients."""

    kind = "database-unreachable"

    def __init__(self, detail: str, address: PostgresAddress, reason: str, *, retry_after: int = 1) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.address = address
        self.reason = reason

    def described(self, setting: str) -> str:
        """The message for the operator; `setting` is the setting that holds the address."""
        return (
            f"Cannot connect to the database {self.address.shown}: {self.reason}."
            f" Check {setting}, and that the server runs and accepts this user"
        )


def reason_of(error: Exception) -> str:
    """The cause, in a few words; never a password."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved"
    if not isinstance(error, OSError):
        # The server's message, or the driver's.
        message = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        is_missing = getattr(error, "sqlstate", None) == _NO_DATABASE
        return f"{message} (create it with 'createdb')" if is_missing else message
    numbers = {int(number) for number in _TRIED.findall(str(error))} or {error.errno or 0}
    return ", ".join(sorted(os.strerror(number) for number in numbers)) if 0 not in numbers else str(error)

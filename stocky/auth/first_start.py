"""Creates the first admin of a new database in the browser, given the one-time code from the log.

A process has one code, which is invalid once the database has an admin.
"""

from __future__ import annotations

import hmac
import logging
import secrets

from stocky.auth import repository
from stocky.auth.identity import Identities
from stocky.auth.schemas import NewUser, User
from stocky.db import Database, Lane
from stocky.errors import BadRequest

# Without letters and digits that look alike.
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_PART = 4
# Used as a username, which cannot begin with a blank.
_ATTEMPTS = " first start"

_log = logging.getLogger(__name__)


class FirstStart:
    """The code of this process, and what it is good for."""

    def __init__(self, database: Database, identities: Identities) -> None:
        self._database = database
        self._identities = identities
        self._code: str | None = None
        self._is_over = False
        database.gate.on_data_replaced(self._look_again)

    async def is_due(self) -> bool:
        """Whether there is no active admin."""
        if not self._is_over:
            async with self._database.read(Lane.IDENTITY) as read:
                # The last active admin cannot be removed.
                self._is_over = await repository.has_active_admin(read)
        return not self._is_over

    async def offer(self, address: str = "") -> None:
        """Logs the code while it is valid; `address` is the URL of Stocky."""
        if self._code is None and await self.is_due():
            self._code = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_PART)) for _ in range(3))
            _log.warning(
                "There is no admin yet. Open %s/first-start in a browser and enter the code %s, or run"
                " stocky create-admin --username NAME --email ADDRESS",
                address,
                self._code,
            )

    async def add_admin(self, code: str, new: NewUser, client_address: str) -> tuple[User, str]:
        """Adds the first admin; returns it and the stored hash of its password.

        Raises BadRequest for a wrong code, Throttled after too many, Conflict when there is an admin already.
        """
        async with self._identities.throttle.attempt(_ATTEMPTS, client_address) as attempt:
            if not hmac.compare_digest(_plain(code), _plain(self._code or secrets.token_hex())):
                raise BadRequest("The code is wrong; look for it in Stocky's log", field="code")
            attempt.succeeded()
        password_hash = await self._identities.passwords.hash(new.password)
        async with self._identities.changing() as tx:
            user = await repository.add_first_admin(tx, new, password_hash)
        self._is_over, self._code = True, None
        _log.info("%s is the first admin, made in the browser", user.username)
        return user, password_hash

    def _look_again(self) -> None:
        self._is_over = False


def _plain(code: str) -> bytes:
    """The code as compared: without case, hyphens and blanks."""
    return "".join(each for each in code.upper() if each.isalnum()).encode()

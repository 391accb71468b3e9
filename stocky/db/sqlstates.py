"""Maps a Postgres SQLSTATE to a domain error; imports neither driver, since both drivers' errors carry a SQLSTATE."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from stocky.errors import Contention, Invalid, OutOfSpace, StockyError, Unavailable

AWAY = "The database cannot be reached; Stocky keeps trying"
# Retry-After for what an operator has to fix.
_OPERATOR_SECONDS = 30

_nul = partial(Invalid, "Text may not contain NUL characters")
_lost_statement = partial(Contention, "The database connection lost a prepared statement; send it again")
_refused_login = partial(
    Unavailable,
    "The database refuses the user or the password of STOCKY_DATABASE_URL; correct them and restart Stocky",
    retry_after=_OPERATOR_SECONDS,
)

_STATES: dict[str, Callable[[], StockyError]] = {
    "22021": _nul,
    "22P05": _nul,
    "25006": partial(
        Unavailable,
        "The database is read-only: it is a standby, or default_transaction_read_only is on; point STOCKY_DATABASE_URL"
        " to the primary, then send it again",
        retry_after=5,
    ),
    "25P03": partial(Unavailable, "The database ended an idle transaction (idle_in_transaction_session_timeout)"),
    "25P04": partial(Unavailable, "The database ended a transaction that took too long (transaction_timeout)"),
    "26000": _lost_statement,
    "28000": _refused_login,
    "28P01": _refused_login,
    "3D000": partial(
        Unavailable,
        "The database that STOCKY_DATABASE_URL names does not exist; create it with 'createdb'",
        retry_after=_OPERATOR_SECONDS,
    ),
    "42501": partial(
        Unavailable,
        "The database user of STOCKY_DATABASE_URL lacks a privilege; make it the owner of the database, or GRANT it",
        retry_after=_OPERATOR_SECONDS,
    ),
    "42P05": _lost_statement,
    "53100": OutOfSpace,
    "55P03": partial(Contention, "Another session held a lock for longer than lock_timeout allows; send it again"),
    "57014": partial(
        Unavailable,
        "The database ended a statement: it took longer than statement_timeout allows, or an administrator cancelled"
        " it; send it again",
    ),
}
# For all other states, by their first two characters.
_CLASSES: dict[str, Callable[[], StockyError]] = {
    "08": partial(Unavailable, AWAY),
    "22": partial(Invalid, "A value is outside the range the database can store"),
    "40": partial(Contention, "Two transactions conflicted; send it again"),
    "53": partial(Unavailable, "The database is out of connections or memory; send it again", retry_after=5),
    "57": partial(Unavailable, AWAY),
}


def error_of_state(sqlstate: str | None) -> StockyError | None:
    """The domain error for a SQLSTATE; None for None, and for one that means a defect in Stocky."""
    if sqlstate is None:
        return None
    make = _STATES.get(sqlstate) or _CLASSES.get(sqlstate[:2])
    return None if make is None else make()

"""All errors that reach a client; raised anywhere, and turned into responses only in `http/problems.py`.

StockyError                 500
├── BadRequest              400
├── Unauthorized            401
├── Forbidden               403
├── NotFound                404
├── Conflict                409  also a violated unique index or foreign key
├── Stale                   412
├── TooLarge                413
├── Unsupported             415
├── RangeNotSatisfiable     416
├── Invalid                 422  also a violated CHECK
├── Throttled               429
├── Unavailable             503
│   ├── Paused                   a restore is running
│   ├── Contention               the same work may be retried at once
│   ├── FileLost                 the SQLite file was replaced (db/open_file.py)
│   └── Unreachable              no connection to Postgres (db/unreachable.py)
└── OutOfSpace              507
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

# The message for each unique index, by the name it has on both dialects.
CONFLICTS = {
    "item__code": "An item with this code exists already",
    "item_type__name_key": "An item type with this name exists already",
    "tag__name_key": (
        "A tag with this name exists already; to combine two tags, add the other tag to the items of the one"
        " (GET /items?tag=), then delete the one"
    ),
    "barcode__code": "This barcode belongs to an item already",
    "barcode__code_key": "This barcode, perhaps in another form, belongs to an item already",
    "box__box_no": "A box with this number exists already",
    "location__name": "An active location with this name exists already",
    "location__box_no__loc_no": "This location in the box exists already",
    "sku__item_id__location_id": "This item has a SKU at this location already",
    "sku__item_id__location_id__expiry_date": "This lot of the item has a SKU at this location already",
    "user_account__username": "A user with this username exists already",
    "user_account__email": "A user with this email exists already",
    "shopping_list_entry__list_id__item_id": "This item is on the list already; change its quantity instead",
    "shopping_list_entry__list_id__text": "This text is on the list already; change its quantity instead",
    "project_entry__project_id__item_id": "The project needs this item already; change its quantity instead",
    "project_entry__project_id__text": "The project needs this already; change its quantity instead",
    "item_merge__source_id": "This item has a merge that is not undone; undo that one first",
    "stock_event__event_id": "This event_id has been used already",
    "stock_event__reverses_id": "This event has been undone already",
}


class StockyError(Exception):
    """An error with a message for people: `detail` says what is wrong and what to do next."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        headers: dict[str, str] | None = None,
        results: Any = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.headers = headers or {}
        self.results = results


class BadRequest(StockyError):
    """The request is malformed or makes no sense."""

    status = HTTPStatus.BAD_REQUEST


class Unauthorized(StockyError):
    """The request has no valid credentials."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, detail: str = "Authentication required", **more: Any) -> None:
        super().__init__(detail, **more)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class Forbidden(StockyError):
    """The user lacks permission."""

    status = HTTPStatus.FORBIDDEN


class NotFound(StockyError):
    """Something does not exist."""

    status = HTTPStatus.NOT_FOUND


class Conflict(StockyError):
    """The current state does not allow it."""

    status = HTTPStatus.CONFLICT

    def __init__(self, detail: str, *, constraint: str = "", **more: Any) -> None:
        super().__init__(detail, **more)
        self.constraint = constraint

    @classmethod
    def of(cls, constraint: str) -> Conflict:
        """The error for a violated unique index."""
        return cls(CONFLICTS.get(constraint, f"It exists already ({constraint})"), constraint=constraint)


class Stale(StockyError):
    """It was changed since it was read (If-Match)."""

    status = HTTPStatus.PRECONDITION_FAILED


class Invalid(StockyError):
    """A value is not valid."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    @classmethod
    def of(cls, constraint: str) -> Invalid:
        """The error for a violated CHECK."""
        if constraint.endswith("__no_nul"):
            return cls("Text may not contain NUL characters")
        return cls(f"A value is outside the allowed range ({constraint})")


class TooLarge(StockyError):
    """More bytes than allowed."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Unsupported(StockyError):
    """Content of an unsupported type, or not of its declared type."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class RangeNotSatisfiable(StockyError):
    """The requested range of a file does not exist."""

    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE


class Throttled(StockyError):
    """Too many attempts; retry after `retry_after` seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Unavailable(StockyError):
    """Temporarily impossible; retry after `retry_after` seconds."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Paused(Unavailable):
    """A restore is putting its data in place; work that waits for its end has not failed."""


class Contention(Unavailable):
    """Two transactions conflicted and one was rolled back; the same work may be retried."""


class OutOfSpace(StockyError):
    """The disk is full; nothing was changed."""

    status = HTTPStatus.INSUFFICIENT_STORAGE

    def __init__(self, detail: str = "Not enough disk space; nothing was changed. Free some and try again") -> None:
        super().__init__(detail)

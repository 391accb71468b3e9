"""All errors that reach a client; raised anywhere, and turned into responses only in `http/problems.py`.

StockyError                 500
├── BadRequest              400
│   └── Locked                   an encrypted backup that the given keys do not open
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
│   ├── UnusableAnswer           of the look-up service, for one barcode (lookup/client.py)
│   ├── FileLost                 the SQLite file was replaced (db/open_file.py)
│   └── Unreachable              no connection to Postgres (db/unreachable.py)
└── OutOfSpace              507
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

_SAME_PLACE = (
    "An active location has this name in the same place already, perhaps with other case or blanks; choose another name"
)
# The message for each unique index, by the name it has on both dialects.
CONFLICTS = {
    "item__code": "An item with this code exists already",
    "item_type__name_key": "An item type with this name exists already",
    "item_field__type_id__name_key": "The type has a field with this name already",
    "tag__name_key": (
        "A tag with this name exists already; to combine two tags, add the other tag to the items of the one"
        " (GET /items?tag=), then delete the one"
    ),
    "barcode__code": "This barcode belongs to an item already",
    "barcode__code_key": "This barcode, perhaps in another form, belongs to an item already",
    "box__box_no": "A box with this number exists already",
    "location__path_key__duplicate_no": _SAME_PLACE,
    "location__parent_id__name_key": _SAME_PLACE,
    "location__box_no": "This box has a location already",
    "location__box_no__loc_no": "This location in the box exists already",
    "sku__item_id__location_id__lot__serial": "This item has a SKU at this location already",
    "sku__item_id__location_id__expiry_date__lot__serial": "This lot of the item has a SKU at this location already",
    "sku__item_id__location_id__lot__serial__opened_on": "This item has such an opened SKU at this location already",
    "sku__item_id__location_id__expiry_date__lot__serial__opened_on": (
        "This lot of the item has such an opened SKU at this location already"
    ),
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
# The problem types of those that are not `already-exists`.
_KINDS = {
    "item_merge__source_id": "conflict",
    "stock_event__event_id": "event-id-reused",
    "stock_event__reverses_id": "already-undone",
}


class StockyError(Exception):
    """An error with a message for users: `detail` states what is wrong and what to do next.

    `kind` is the name of its problem type, one of those in `http/problem_types.py`.
    """

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "internal-error"

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        headers: dict[str, str] | None = None,
        results: Any = None,
        kind: str | None = None,
    ) -> None:
        """`kind` names a problem type more exactly than the class does."""
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.headers = headers or {}
        self.results = results
        if kind is not None:
            self.kind = kind


class BadRequest(StockyError):
    """The request is malformed or makes no sense."""

    status = HTTPStatus.BAD_REQUEST
    kind = "malformed-request"


class Locked(BadRequest):
    """A backup is encrypted, and the passphrase or identity does not open it, or is missing."""


class Unauthorized(StockyError):
    """The request has no valid credentials."""

    status = HTTPStatus.UNAUTHORIZED
    kind = "unauthorized"

    def __init__(self, detail: str = "Authentication required", **more: Any) -> None:
        super().__init__(detail, **more)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class Forbidden(StockyError):
    """The user lacks permission."""

    status = HTTPStatus.FORBIDDEN
    kind = "forbidden"


class NotFound(StockyError):
    """Something does not exist."""

    status = HTTPStatus.NOT_FOUND
    kind = "not-found"


class Conflict(StockyError):
    """The current state does not allow it."""

    status = HTTPStatus.CONFLICT
    kind = "conflict"

    def __init__(self, detail: str, *, constraint: str = "", **more: Any) -> None:
        super().__init__(detail, **more)
        self.constraint = constraint

    @classmethod
    def of(cls, constraint: str) -> Conflict:
        """The error for a violated unique index."""
        return cls(
            CONFLICTS.get(constraint, f"It exists already ({constraint})"),
            constraint=constraint,
            kind=_KINDS.get(constraint, "already-exists"),
        )


class Stale(StockyError):
    """It was changed since it was read (If-Match)."""

    status = HTTPStatus.PRECONDITION_FAILED
    kind = "changed-meanwhile"


class Invalid(StockyError):
    """A value is not valid."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "invalid"

    @classmethod
    def of(cls, constraint: str) -> Invalid:
        """The error for a violated CHECK."""
        if constraint.endswith("__no_nul"):
            return cls("Text may not contain NUL characters")
        return cls(f"A value is outside the allowed range ({constraint})")


class TooLarge(StockyError):
    """More bytes than allowed."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    kind = "too-large"


class Unsupported(StockyError):
    """Content of an unsupported type, or not of its declared type."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    kind = "unsupported-type"


class RangeNotSatisfiable(StockyError):
    """The requested range of a file does not exist."""

    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    kind = "range-not-satisfiable"


class Throttled(StockyError):
    """Too many attempts; retry after `retry_after` seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    kind = "too-many-attempts"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Unavailable(StockyError):
    """Temporarily impossible; retry after `retry_after` seconds."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "unavailable"

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Paused(Unavailable):
    """A restore is putting its data in place; work that waits for its end has not failed."""

    kind = "restoring"


class Contention(Unavailable):
    """Two transactions conflicted and one was rolled back; the same work may be retried."""


class OutOfSpace(StockyError):
    """The disk is full; nothing was changed."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    kind = "out-of-space"

    def __init__(self, detail: str = "Not enough disk space; nothing was changed. Free some and try again") -> None:
        super().__init__(detail)

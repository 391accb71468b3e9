"""Everything that can be refused, in words for people; raised anywhere, and turned into answers in `problems`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

# What each unique index guards, by the name it has on both dialects.
CONFLICTS = {
    "item__code": "An item with this code exists already",
    "item_type__name_key": "There is an item type of this name already",
    "tag__name_key": (
        "There is a tag of this name already; to put two tags together, give the items of the one"
        " (GET /items?tag=) the other too, and only then delete it"
    ),
    "barcode__code": "This barcode belongs to an item already",
    "barcode__code_key": "This barcode, perhaps in another form, belongs to an item already",
    "box__box_no": "This box number is taken",
    "location__name": "An active location with this name exists already",
    "location__box_no__loc_no": "This place in the box exists already",
    "sku__item_id__location_id": "This item has a stock record at this location already",
    "sku__item_id__location_id__expiry_date": "This lot of the item has a stock record at this location already",
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
    """A refusal with a reason. `detail` is for people: what is wrong and what to do next."""

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
    """The request makes no sense as it stands."""

    status = HTTPStatus.BAD_REQUEST


class Unauthorized(StockyError):
    """Nobody, or nobody any more, is behind this request."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, detail: str = "Authentication required", **more: Any) -> None:
        super().__init__(detail, **more)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class Forbidden(StockyError):
    """Known, but not allowed."""

    status = HTTPStatus.FORBIDDEN


class NotFound(StockyError):
    """No such thing."""

    status = HTTPStatus.NOT_FOUND


class Conflict(StockyError):
    """The state of things does not allow it."""

    status = HTTPStatus.CONFLICT

    def __init__(self, detail: str, *, constraint: str = "", **more: Any) -> None:
        super().__init__(detail, **more)
        self.constraint = constraint

    @classmethod
    def of(cls, constraint: str) -> Conflict:
        """What a unique index refuses, in words."""
        return cls(CONFLICTS.get(constraint, f"It exists already ({constraint})"), constraint=constraint)


class Stale(StockyError):
    """It was changed by someone else since it was read (If-Match)."""

    status = HTTPStatus.PRECONDITION_FAILED


class Invalid(StockyError):
    """A value that cannot be accepted."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    @classmethod
    def of(cls, constraint: str) -> Invalid:
        """What a CHECK refuses, in words."""
        if constraint.endswith("__no_nul"):
            return cls("Text may not contain NUL characters")
        return cls(f"A value is outside of what is allowed ({constraint})")


class TooLarge(StockyError):
    """More bytes than are taken."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Unsupported(StockyError):
    """Content of a kind that is not taken, or not of the kind that it is said to be."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class RangeNotSatisfiable(StockyError):
    """The part of a file that is asked for does not exist."""

    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE


class Throttled(StockyError):
    """Too many attempts; `retry_after` in seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Unavailable(StockyError):
    """Not now; trying again in `retry_after` seconds is right."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Paused(Unavailable):
    """A restore is putting its data in place; what waits for its end has not failed."""


class Contention(Unavailable):
    """Two transactions were in each other's way and one had to go; the same work again is right."""


class OutOfSpace(StockyError):
    """The disk is full; nothing was changed."""

    status = HTTPStatus.INSUFFICIENT_STORAGE

    def __init__(self, detail: str = "Not enough disk space; nothing was changed. Free some and try again") -> None:
        super().__init__(detail)

"""The types of problems, and `/problems`, which describes them: a type's address and meaning never change."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import NamedTuple

from litestar import get
from litestar.datastructures import ResponseHeader, State
from litestar.enums import MediaType

from stocky.errors import NotFound
from stocky.http.routing import Router

ADDRESS = "/problems"
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class ProblemType(NamedTuple):
    """The status of a type, what it means, and what a client does about it."""

    status: HTTPStatus
    meaning: str
    remedy: str


_ALREADY = "Read `detail`; `errors`, where it is there, names the field."
TYPES = {
    "malformed-request": ProblemType(
        HTTPStatus.BAD_REQUEST, "The request is malformed, or not possible in this form.", _ALREADY
    ),
    "unauthorized": ProblemType(
        HTTPStatus.UNAUTHORIZED,
        "No valid credentials were sent: they are missing, wrong or expired.",
        "Sign in, refresh the token, or send an API key in `X-API-Key`.",
    ),
    "forbidden": ProblemType(
        HTTPStatus.FORBIDDEN,
        "The user lacks permission; `detail` names the roles that have it.",
        "Use another account, or let an admin change the role.",
    ),
    "not-found": ProblemType(
        HTTPStatus.NOT_FOUND,
        "The path does not exist, or something that the request names does not.",
        "Check the ids in the path and in the body.",
    ),
    "method-not-allowed": ProblemType(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "The path exists, but not with this method; `Allow` names those that it has.",
        "Use one of those methods.",
    ),
    "conflict": ProblemType(
        HTTPStatus.CONFLICT, "The current state does not allow it.", "Read `detail`, which says what to do first."
    ),
    "already-exists": ProblemType(
        HTTPStatus.CONFLICT,
        "Something with this name, code, barcode or key exists already."
        " Where a username or email is taken, the status is 400.",
        "Use the existing one, or choose another name.",
    ),
    "ambiguous-name": ProblemType(
        HTTPStatus.CONFLICT,
        "Several locations have this name; `detail` lists their paths.",
        "Send the path of one of them, or its id.",
    ),
    "in-use": ProblemType(
        HTTPStatus.CONFLICT,
        "It still holds stock, or something still refers to it.",
        "Move or write off the stock, or change what refers to it, and repeat.",
    ),
    "oversell": ProblemType(
        HTTPStatus.CONFLICT,
        "The stock is less than the quantity to take, and the item's `oversell_policy` does not allow that.",
        "Take less, count the stock, or change the item's policy.",
    ),
    "unit-mismatch": ProblemType(
        HTTPStatus.CONFLICT,
        "The quantity is in a unit that cannot be converted into the unit of the stock.",
        "Send the quantity in the unit that `detail` names.",
    ),
    "event-id-reused": ProblemType(
        HTTPStatus.CONFLICT,
        "The `event_id` was used before for an event with other content.",
        "Give each event an id of its own; an event that is sent again must not change.",
    ),
    "already-undone": ProblemType(
        HTTPStatus.CONFLICT, "The event was undone before, or is itself an undo.", "Post the change again instead."
    ),
    "not-applied": ProblemType(
        HTTPStatus.CONFLICT,
        "An event of an atomic request was rejected, so none was applied; `results` has the outcome of each.",
        "Correct or leave out the rejected event and send the request again.",
    ),
    "changed-meanwhile": ProblemType(
        HTTPStatus.PRECONDITION_FAILED,
        "It was changed since it was read: `If-Match` names an earlier version.",
        "Read it again and repeat the change.",
    ),
    "too-large": ProblemType(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than allowed.", "Send less at a time."
    ),
    "unsupported-type": ProblemType(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The content is of an unsupported type, or not of its declared type.",
        "Send the `Content-Type` that `detail` names.",
    ),
    "range-not-satisfiable": ProblemType(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "The range begins after the end of the content.",
        "Leave out `Range`, or begin earlier.",
    ),
    "invalid": ProblemType(
        HTTPStatus.UNPROCESSABLE_ENTITY, "A value is not valid; `errors` names the fields.", "Correct the values."
    ),
    "question": ProblemType(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "A file can be read in several ways; `results` has the questions, and the answers that are possible.",
        "Send the same file again with the options of the answers; their mappings go with the columns that are clear.",
    ),
    "too-many-attempts": ProblemType(
        HTTPStatus.TOO_MANY_REQUESTS, "There were too many attempts.", "Wait for the seconds in `Retry-After`."
    ),
    "internal-error": ProblemType(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something went wrong inside Stocky; its log has it under `request_id`.",
        "Report it with what the log says.",
    ),
    "unavailable": ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "It is impossible for the moment.",
        "Send the same request again after `Retry-After` seconds.",
    ),
    "restoring": ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "A restore is putting its data in place; nothing was changed.",
        "Send the same request again after `Retry-After` seconds.",
    ),
    "database-unreachable": ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Stocky has no connection to its database; nothing was changed.",
        "Send the same request again after `Retry-After` seconds; the log names the cause.",
    ),
    "out-of-space": ProblemType(
        HTTPStatus.INSUFFICIENT_STORAGE, "The disk is full; nothing was changed.", "Free some space and repeat."
    ),
}
# The type of an error that only has a status; the more exact types of a status come after it.
OF_STATUS = {each.status: kind for kind, each in reversed(TYPES.items())}


def problem_type(kind: str | None, base_path: str) -> str:
    """The address of a type; `about:blank` for a status without one."""
    return "about:blank" if kind is None else f"{base_path}{ADDRESS}/{kind}"


@get("/", media_type=MediaType.HTML)
async def list_problem_types(state: State) -> str:
    """All types."""
    base = state.config.base_path + ADDRESS
    rows = "".join(
        f'<tr><td><a href="{base}/{kind}">{kind}</a></td><td>{int(each.status)}</td><td>{_text(each.meaning)}</td></tr>'
        for kind, each in TYPES.items()
    )
    head = "<tr><th>Type</th><th>Status</th><th>Meaning</th></tr>"
    return _page("Problems of the Stocky API", f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>")


@get("/{kind:str}", media_type=MediaType.HTML)
async def show_problem_type(state: State, kind: str) -> str:
    """One type."""
    found = TYPES.get(kind)
    base = state.config.base_path + ADDRESS
    if found is None:
        raise NotFound(f"There is no problem type {kind}; {base} lists them")
    return _page(
        kind,
        f"<p>Status {int(found.status)} {found.status.phrase}</p><p>{_text(found.meaning)}</p>"
        f'<p>{_text(found.remedy)}</p><p><a href="{base}">All problem types</a></p>',
    )


def _text(text: str) -> str:
    """The text as HTML, where backquotes mark code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{title}</title></head>'
        f"<body><h1>{title}</h1>{body}</body></html>"
    )


problem_routes = Router(
    ADDRESS,
    route_handlers=[list_problem_types, show_problem_type],
    include_in_schema=False,
    response_headers=[ResponseHeader(name="Content-Security-Policy", value=_POLICY)],
)

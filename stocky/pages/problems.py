"""Errors of pages: the API's messages on a page, or problem details for scripts; 401 redirects to the sign-in."""

from __future__ import annotations

from typing import Any

import jwt
from litestar import Request, Response
from litestar.exceptions import MethodNotAllowedException, NotFoundException

from stocky.auth.sessions import find_session_token
from stocky.errors import Paused, Unauthorized, Unavailable
from stocky.http.problems import FieldError, Problem, to_problem
from stocky.pages import languages
from stocky.pages.messages import message
from stocky.pages.rendering import FRAGMENT, page, see_other

# API clients call the paths below these: they always get problem details.
_FOR_PROGRAMS = (
    *("/api", "/docs", "/health", "/metrics", "/openapi.json", "/problems", "/schema"),
    *("/static", "/sw.js", "/manifest.webmanifest"),
)
# The option of a page's route that answers scripts only.
FOR_SCRIPTS = "for_scripts"


def to_response(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The response for any exception, of a page or of the API."""
    if not _wants_page(request, error):
        answer = to_problem(request, error)
        if request.scope.get("route_handler") is not None and not _is_for_programs(request):
            _translate(request, answer.content)
        return answer
    if isinstance(error, Unauthorized) and _may_sign_in(request):
        return _to_sign_in(request)
    if isinstance(error, MethodNotAllowedException) and request.method == "GET":
        # Reloading a rejected form requests its address with GET: redirect to the page above it.
        return see_other(request, request.scope["path"].rpartition("/")[0] or "/")
    answer = to_problem(request, error)
    problem = answer.content
    headers = dict(answer.headers)
    # With this header the browser would prompt for a password.
    headers.pop("WWW-Authenticate", None)
    is_paused = isinstance(error, Unavailable) and request.method == "GET"
    if is_paused:
        # The error's header has the seconds; the browser then repeats the request automatically.
        headers["Refresh"] = headers.get("Retry-After", "2")
    return page(
        request,
        "problem.html",
        problem.status,
        headers={**headers, "Cache-Control": "no-store"},
        problem=problem,
        request_id=request.scope.get("state", {}).get("request_id", ""),
        is_restoring=isinstance(error, Paused),
        is_unknown=isinstance(error, NotFoundException),
        reloads=is_paused,
    )


def _translate(request: Request[Any, Any, Any], problem: Problem) -> None:
    """Translates the messages for scripts of pages, which show them to the user."""
    with languages.language_context(request):
        fields = problem.errors or []
        is_of_fields = problem.detail == _joined(fields)
        for each in fields:
            each.message = message(each.message)
        problem.detail = _joined(fields) if is_of_fields else message(problem.detail)


def _joined(fields: list[FieldError]) -> str:
    return "; ".join(f"{each.field}: {each.message}" if each.field else each.message for each in fields)


def own_path(text: str) -> str:
    """A path of Stocky to open after the sign-in; `/` for anything that may lead to another site."""
    if not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isprintable():
        return "/"
    return text


def _wants_page(request: Request[Any, Any, Any], error: Exception) -> bool:
    headers = request.headers
    accept = headers.get("accept", "*/*").lower()
    if headers.get(FRAGMENT) or headers.get("x-requested-with") or "json" in accept:
        return False
    handler: Any = request.scope.get("route_handler")
    if handler is not None and not _is_for_programs(request):
        return not handler.opt.get(FOR_SCRIPTS)
    # No route: a mistyped address gets a page.
    return (
        isinstance(error, NotFoundException | MethodNotAllowedException)
        and request.method == "GET"
        and "text/html" in accept
        and not _is_for_programs(request)
    )


def _is_for_programs(request: Request[Any, Any, Any]) -> bool:
    path = request.scope["path"]
    return any(path == each or path.startswith(f"{each}/") for each in _FOR_PROGRAMS)


def _may_sign_in(request: Request[Any, Any, Any]) -> bool:
    """Whether to redirect to the sign-in: a form's data would be lost, so of all forms only after signing out."""
    return request.method == "GET" or request.scope["path"] == "/sign-out"


def _to_sign_in(request: Request[Any, Any, Any]) -> Response[bytes]:
    path = request.scope["path"]
    query = request.scope["query_string"].decode("latin-1")
    wanted = own_path(f"{path}?{query}" if query else path) if request.method == "GET" else "/"
    return see_other(request, "/sign-in", next=None if wanted == "/" else wanted, reason=_reason(request))


def _reason(request: Request[Any, Any, Any]) -> str | None:
    """Why a session cookie is not valid: it ended, or a restore ended all of them."""
    token = find_session_token(request.headers.get("cookie", "").encode("latin-1", "replace"))
    if token is None:
        return None
    try:
        # Only for the words on the page, so the signature does not matter.
        began = jwt.decode(token, options={"verify_signature": False}).get("iat", 0)
    except jwt.InvalidTokenError:
        return "expired"
    replaced_at: float = request.app.state.identities.replaced_at
    return "restored" if isinstance(began, (int, float)) and began <= replaced_at else "expired"

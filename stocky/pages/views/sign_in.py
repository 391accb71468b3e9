"""Signing in and out, and the session for scripts; `next` redirects only to pages of Stocky."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State
from msgspec import Struct

from stocky.auth import forgery, sessions
from stocky.auth.guards import readers
from stocky.auth.schemas import Login, Principal, SignIn
from stocky.auth.service import SignIns
from stocky.backup.store import ID_FORMAT
from stocky.errors import Forbidden, Throttled, Unauthorized, Unavailable
from stocky.http.client_address import client_info, comes_from_elsewhere
from stocky.pages.forms import Form, parse_form, read_values
from stocky.pages.languages import Text, _, language_of
from stocky.pages.problems import FOR_SCRIPTS, own_path
from stocky.pages.rendering import Html, page, see_other

MAX_BODY_BYTES = 64 * 2**10
_RESTORE = re.compile(r"/backups/(\d{4}(?:-\d{2}){5})/restore")
_REASONS: dict[str, Text] = {
    "expired": _("Your session has ended. Sign in again."),
    "restored": _("The data was restored from a backup, which ends every session. Sign in again."),
    "signed-out": _("You are signed out."),
}


class SessionInfo(Struct, frozen=True):
    """The session of a script: who it is for, the token for unsafe requests, and the language of the pages."""

    user: dict[str, Any]
    csrf: str
    language: str


@get("/sign-in")
async def show_sign_in(request: Request[Any, Any, Any], state: State) -> Html:
    """The form; with a session, a redirect to the page after it."""
    wanted = own_path(request.query_params.get("next", "/"))
    if await state.first_start.is_due():
        return see_other(request, "/first-start")
    if await _is_signed_in(request):
        return see_other(request, wanted)
    return _form(request, Form(), wanted, request.query_params.get("reason", ""))


@post("/sign-in", request_max_body_size=MAX_BODY_BYTES)
async def sign_in(request: Request[Any, Any, Any], state: State) -> Html:
    """Starts a session."""
    if comes_from_elsewhere(request):
        raise Forbidden("Access denied. The form was sent by a page of another site")
    values = await read_values(request)
    form = parse_form(values, Login, boxes=["remember_me"])
    wanted = own_path(form.text("next", "/"))
    if form.errors:
        return _form(request, form, wanted)
    client = client_info(request, state.config)
    sign_ins = SignIns(state.database, state.config, state.identities)
    try:
        session = await sign_ins.open(form.data, client.address)
    except (Unauthorized, Throttled, Unavailable) as error:
        form.refuse(error)
        retry_after = error.headers.get("Retry-After")
        return _form(request, form, wanted, headers={"Retry-After": retry_after} if retry_after else {})
    return with_session(request, session, wanted)


@post("/sign-out", opt=readers)
async def sign_out(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Ends the session."""
    client = client_info(request, state.config)
    if user.sign_in_id is not None:
        await SignIns(state.database, state.config, state.identities).end(user.sign_in_id, user)
    return see_other(request, "/sign-in", cookies=[sessions.cleared_cookie(client)], reason="signed-out")


@get("/session", opt={**readers, FOR_SCRIPTS: True})
async def get_session(request: Request[Any, Any, Any], state: State, user: Principal) -> SessionInfo:
    """The session, for a script on a page that was stored; 401 when signed out."""
    csrf = forgery.make_token(state.config.secret_key, user.sign_in_id) if user.by_cookie and user.sign_in_id else ""
    shown = {"id": user.id, "username": user.user.username, "role": user.role.value}
    return SessionInfo(shown, csrf, language_of(request))


def with_session(request: Request[Any, Any, Any], session: SignIn, path: str) -> Html:
    """Redirects to a page, with the cookie of a new session."""
    config = request.app.state.config
    cookie = sessions.session_cookie(config.secret_key, session, client_info(request, config))
    return see_other(request, path, cookies=[cookie])


async def _is_signed_in(request: Request[Any, Any, Any]) -> bool:
    try:
        await request.app.state.identities.identify(request.scope)
    except Unauthorized:
        return False
    return True


def _form(
    request: Request[Any, Any, Any],
    form: Form[Any],
    wanted: str,
    reason: str = "",
    headers: dict[str, str] | None = None,
) -> Html:
    return page(
        request,
        "sign-in.html",
        form.status,
        headers=headers,
        form=form,
        next=wanted,
        reason=_REASONS.get(reason),
        restored_to=_restored_to(wanted) if reason == "restored" else None,
    )


def _restored_to(wanted: str) -> datetime | None:
    """The time of the backup whose restore ended the session, if the user was on its page; only for display."""
    found = _RESTORE.match(wanted)
    try:
        return datetime.strptime(found[1], ID_FORMAT).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


routes = [show_sign_in, sign_in, sign_out, get_session]

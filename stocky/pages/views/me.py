"""The user's own account: password, language, sessions and API keys; a new key is shown once, when it is created."""

from __future__ import annotations

from typing import Any, Literal

from litestar import Request, get, post
from litestar.datastructures import State
from msgspec import Struct

from stocky.auth import repository
from stocky.auth.guards import readers
from stocky.auth.schemas import CreatedApiKey, PasswordChange, Principal
from stocky.auth.service import SignIns
from stocky.errors import Throttled
from stocky.http.client_address import client_info
from stocky.http.parameters import PathId
from stocky.pages.device_cookies import THEME, THEMES, device_cookie
from stocky.pages.forms import Form, read_form
from stocky.pages.key_forms import read_key_form
from stocky.pages.languages import LANGUAGES, Text, _
from stocky.pages.rendering import Html, page, see_other

_MOST_KEYS = 1_000
_DONE: dict[str, Text] = {
    "password": _("The password is changed. All other sessions have ended."),
    "language": _("The language is changed."),
    "sign-in": _("The session has ended."),
    "key": _("The key is revoked."),
}


class LanguageChange(Struct):
    """The language of the pages; None is the browser's."""

    language: Literal["en", "de"] | None = None


class ThemeChange(Struct):
    """The colours of the pages on this device; `system` is the device's own choice."""

    theme: Literal["system", "light", "dark"]


@get("/me", opt=readers)
async def show_me(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """The user's own account."""
    return await _page(request, state, user)


@post("/me/password", opt=readers)
async def change_password(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Changes the password; all other sessions end."""
    form = await read_form(request, PasswordChange)
    if not form.errors:
        address = client_info(request, state.config).address
        try:
            with form.catching():
                await _sign_ins(state).change_password(user, form.data, address)
        except Throttled as error:
            form.refuse(error)
    if form.errors:
        return await _page(request, state, user, form.status, password=form)
    return see_other(request, "/me", done="password")


@post("/me/language", opt=readers)
async def change_language(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Sets the language of the pages."""
    form = await read_form(request, LanguageChange)
    if form.errors:
        return await _page(request, state, user, form.status, language=form)
    async with state.identities.changing() as tx:
        await repository.set_language(tx, user.id, form.data.language)
    return see_other(request, "/me", done="language")


@post("/me/theme", opt=readers)
async def change_theme(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Sets the colours of the pages on this device."""
    form = await read_form(request, ThemeChange)
    if form.errors:
        return await _page(request, state, user, form.status)
    cookie = device_cookie(request, THEME, form.data.theme if form.data.theme in THEMES else "")
    return see_other(request, "/me", cookies=[cookie])


@post("/me/sign-ins/{sign_in_id:str}/end", opt=readers)
async def end_sign_in(request: Request[Any, Any, Any], state: State, user: Principal, sign_in_id: str) -> Html:
    """Ends one of the user's sessions."""
    await _sign_ins(state).end(sign_in_id, user)
    return see_other(request, "/me", done="sign-in")


@post("/me/keys", opt=readers)
async def create_key(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Makes an API key and shows it."""
    form = await read_key_form(request)
    created: CreatedApiKey | None = None
    if not form.errors:
        with form.catching():
            async with state.identities.changing() as tx:
                created = await repository.add_api_key(tx, user.id, form.data, user)
    if created is None:
        return await _page(request, state, user, form.status, key=form)
    return await _page(request, state, user, created=created)


@post("/me/keys/{key_id:int}/revoke", opt=readers)
async def revoke_key(request: Request[Any, Any, Any], state: State, user: Principal, key_id: PathId) -> Html:
    """Revokes one of the user's keys."""
    async with state.identities.changing() as tx:
        await repository.remove_api_key(tx, user.id, key_id, user)
    return see_other(request, "/me", done="key")


async def _page(
    request: Request[Any, Any, Any],
    state: State,
    user: Principal,
    status: int = 200,
    *,
    password: Form[Any] | None = None,
    language: Form[Any] | None = None,
    key: Form[Any] | None = None,
    created: CreatedApiKey | None = None,
) -> Html:
    async with state.database.read() as read:
        keys = await repository.list_api_keys(read, user.id, skip=0, limit=_MOST_KEYS)
        sign_ins = await repository.list_sign_ins(read, user.id)
        chosen = await repository.find_language(read, user.id)
    return page(
        request,
        "me.html",
        status,
        password=password or Form(),
        language_form=language or Form(),
        key=key or Form(),
        api_keys=keys,
        created=created,
        sign_ins=sign_ins,
        current_sign_in=user.sign_in_id,
        chosen_language=chosen if chosen in LANGUAGES else "",
        done=_DONE.get(request.query_params.get("done", "")),
    )


def _sign_ins(state: State) -> SignIns:
    return SignIns(state.database, state.config, state.identities)


routes = [show_me, change_password, change_language, change_theme, end_sign_in, create_key, revoke_key]

"""Accounts for admins: list, add, change, deactivate, a new password, and API keys that are shown once."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth import repository
from stocky.auth.guards import admins
from stocky.auth.schemas import CreatedApiKey, NewUser, Principal, Role, UserChange
from stocky.auth.service import Accounts
from stocky.db import Connection
from stocky.errors import Throttled
from stocky.http.client_address import client_info
from stocky.http.parameters import PathId, Skip
from stocky.pages.forms import Form, filled, read_changes, read_form, shown_fields
from stocky.pages.key_forms import read_key_form
from stocky.pages.languages import Text, _
from stocky.pages.rendering import Html, page, see_other

ROWS = 50
_MOST_KEYS = 1_000
_DONE: dict[str, Text] = {
    "added": _("The account is added."),
    "changed": _("The account is changed."),
    "password": _("The password is set. All sessions of this account have ended."),
    "deactivated": _("The account is deactivated: its sessions have ended, and its keys are revoked."),
    "activated": _("The account is active again."),
    "key": _("The key is revoked."),
}


@get("/people", opt=admins)
async def show_people(request: Request[Any, Any, Any], read: Connection, skip: Skip = 0) -> Html:
    """All accounts."""
    users = await repository.list_users(read, skip=skip, limit=ROWS + 1)
    return page(request, "people.html", users=users[:ROWS], skip=skip, rows=ROWS, more=len(users) > ROWS)


@get("/people/new", opt=admins)
async def show_new_person(request: Request[Any, Any, Any], role: Role = Role.MEMBER) -> Html:
    """The form for an account."""
    return page(request, "person-new.html", form=filled({"role": role.value}))


@post("/people/new", opt=admins)
async def add_person(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Adds an account."""
    form = await read_form(request, NewUser, without=["is_active"])
    if not form.errors:
        with form.catching():
            added = await Accounts(state.database, state.identities).add_user(form.data, user)
    if form.errors:
        return page(request, "person-new.html", form.status, form=form)
    return see_other(request, f"/people/{added.id}", done="added")


@get("/people/{user_id:int}", opt=admins)
async def show_person(request: Request[Any, Any, Any], state: State, user: Principal, user_id: PathId) -> Html:
    """One account with its keys."""
    return await _page(request, state, user, user_id)


@post("/people/{user_id:int}", opt=admins)
async def change_person(request: Request[Any, Any, Any], state: State, user: Principal, user_id: PathId) -> Html:
    """Changes name, address and role, each if it was changed."""
    without = ["password", "new_password", "current_password", "is_active"]
    form = await read_changes(request, UserChange, without=without)
    form.require("username", "email")
    return await _change(request, state, user, user_id, form, "changed")


@post("/people/{user_id:int}/password", opt=admins)
async def set_password(request: Request[Any, Any, Any], state: State, user: Principal, user_id: PathId) -> Html:
    """Sets the password of another account; users change their own on /me."""
    form = await read_form(request, UserChange, without=["username", "email", "role", "is_active", "password"])
    if not form.errors and form.data.new_password is None:
        form = Form(form.values, {"new_password": "is required"})
    return await _change(request, state, user, user_id, form, "password", is_password=True)


@post("/people/{user_id:int}/activate", opt=admins)
async def activate(request: Request[Any, Any, Any], state: State, user: Principal, user_id: PathId) -> Html:
    """Activates an account again."""
    form = Form({}, data=UserChange(is_active=True))
    return await _change(request, state, user, user_id, form, "activated")


@post("/people/{user_id:int}/deactivate", opt=admins)
async def deactivate(request: Request[Any, Any, Any], state: State, user: Principal, user_id: PathId) -> Html:
    """Deactivates an account, as DELETE of the API does."""
    async with state.identities.changing() as tx:
        await repository.remove_user(tx, user_id, user)
    return see_other(request, f"/people/{user_id}", done="deactivated")


@post("/people/{user_id:int}/keys", opt=admins)
async def create_key(request: Request[Any, Any, Any], state: State, user: Principal, user_id: PathId) -> Html:
    """Makes a key for the account and shows it."""
    form = await read_key_form(request)
    created: CreatedApiKey | None = None
    if not form.errors:
        with form.catching():
            async with state.identities.changing() as tx:
                await repository.get_user(tx, user_id)
                created = await repository.add_api_key(tx, user_id, form.data, user)
    if created is None:
        return await _page(request, state, user, user_id, form.status, key=form)
    return await _page(request, state, user, user_id, created=created)


@post("/people/{user_id:int}/keys/{key_id:int}/revoke", opt=admins)
async def revoke_key(
    request: Request[Any, Any, Any], state: State, user: Principal, user_id: PathId, key_id: PathId
) -> Html:
    """Revokes a key."""
    async with state.identities.changing() as tx:
        await repository.remove_api_key(tx, user_id, key_id, user)
    return see_other(request, f"/people/{user_id}", done="key")


async def _change(
    request: Request[Any, Any, Any],
    state: State,
    user: Principal,
    user_id: int,
    form: Form[UserChange],
    done: str,
    *,
    is_password: bool = False,
) -> Html:
    if not form.errors:
        address = client_info(request, state.config).address
        try:
            with form.catching():
                await Accounts(state.database, state.identities).change_user(user_id, form.data, user, address)
        except Throttled as error:
            form.refuse(error)
    if form.errors:
        if is_password:
            return await _page(request, state, user, user_id, form.status, password=form)
        return await _page(request, state, user, user_id, form.status, account=form)
    return see_other(request, f"/people/{user_id}", done=done)


async def _page(
    request: Request[Any, Any, Any],
    state: State,
    user: Principal,
    user_id: int,
    status: int = 200,
    *,
    account: Form[Any] | None = None,
    password: Form[Any] | None = None,
    key: Form[Any] | None = None,
    created: CreatedApiKey | None = None,
) -> Html:
    async with state.database.read() as read:
        person = await repository.get_user(read, user_id)
        keys = await repository.list_api_keys(read, user_id, skip=0, limit=_MOST_KEYS)
    shown = {"username": person.username, "email": person.email, "role": person.role.value}
    form = account if account is not None and account.values else filled(shown)
    return page(
        request,
        "person.html",
        status,
        person=person,
        account=form,
        shown=shown_fields(form, shown),
        account_error=account.general_error if account is not None else "",
        password=password or Form(),
        key=key or Form(),
        keys=keys,
        created=created,
        is_own=user.id == user_id,
        done=_DONE.get(request.query_params.get("done", "")),
    )


routes = [
    show_people,
    show_new_person,
    add_person,
    show_person,
    change_person,
    set_password,
    activate,
    deactivate,
    create_key,
    revoke_key,
]

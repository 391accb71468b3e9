"""Scanners for admins: their locations and modes, the users whose pages show their scans, and commands to print."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from litestar import Request, get, post
from litestar.params import Parameter
from msgspec import UNSET, UnsetType

from stocky.auth import repository as accounts
from stocky.auth.guards import admins
from stocky.auth.schemas import Principal, Role
from stocky.catalogue.location_repository import list_locations
from stocky.catalogue.qr import draw_qr, set_location_command
from stocky.db import Connection, Database
from stocky.http.parameters import Skip
from stocky.labels.layout import NEXT_QUANTITIES
from stocky.pages import pickers
from stocky.pages.choices import SCAN_MODES
from stocky.pages.forms import Form, changed_values, parse_form, read_values, shown_fields
from stocky.pages.languages import Text, _
from stocky.pages.rendering import Html, page, see_other
from stocky.scanner import repository
from stocky.scanner.commands import short_code
from stocky.scanner.schemas import Command, CommandName, Mode, StateChange
from stocky.schema import Id, is_empty
from stocky.stock.event_lines import describe_events
from stocky.stock.repository import list_events

ROWS = 50
_CODES = 24
_MOST_PEOPLE = 1_000
_EVENTS = 10
ScannerPath = Annotated[str, Parameter(min_length=1, max_length=128)]
_DONE: dict[str, Text] = {
    "changed": _("The scanner is changed."),
    "reset": _("The scanner is reset: mode Add, no location."),
}


class ScannerForm(msgspec.Struct, kw_only=True):
    """What was changed of a scanner's state, and the user whose pages show its scans."""

    mode: Mode | UnsetType = UNSET
    location_id: Id | None | UnsetType = UNSET
    user_id: Id | None | UnsetType = UNSET


class Code(msgspec.Struct, frozen=True):
    """A command to print: its text, and its QR code as the address of a picture."""

    label: str | Text
    detail: str | Text
    picture: str


@get("/scanners", opt=admins)
async def show_scanners(request: Request[Any, Any, Any], read: Connection, skip: Skip = 0) -> Html:
    """Every known scanner, and how to connect another one."""
    found = await repository.list_scanners(read, skip=skip, limit=ROWS + 1)
    users = await accounts.list_users(read, skip=0, limit=_MOST_PEOPLE)
    return page(
        request,
        "scanners.html",
        modes=SCAN_MODES,
        scanners=found[:ROWS],
        skip=skip,
        rows=ROWS,
        more=len(found) > ROWS,
        devices=[each for each in users if each.role is Role.SCANNER and each.is_active],
    )


@get("/scanners/codes", opt=admins | {"may_be_empty": ("skip",)})
async def show_codes(request: Request[Any, Any, Any], read: Connection, user: Principal, skip: Skip = 0) -> Html:
    """The commands to print: modes, next quantities and undo, then locations."""
    locations = await list_locations(read, skip=skip, limit=_CODES + 1)
    texts: list[tuple[str | Text, str | Text, str]] = []
    if not skip:
        for mode, label in SCAN_MODES.items():
            command = Command(command=CommandName.SET_MODE, payload={"mode": Mode(mode)})
            texts.append((label, _("Mode"), short_code(command)))
        for number in NEXT_QUANTITIES:
            following = Command(command=CommandName.SET_NEXT_QUANTITY, payload={"quantity": number})
            texts.append((f"{number} ×", _("Next scan"), short_code(following)))
        texts.append((_("Undo"), _("The last scan"), short_code(Command(command=CommandName.UNDO))))
        mine = Command(command=CommandName.ASSOCIATE_UI, payload={"user_id": user.id})
        texts.append((user.user.username, _("Shows its scans to"), short_code(mine)))
    modes = len(texts)
    texts += [(each.path, _("Location"), set_location_command(each.id)) for each in locations[:_CODES]]
    codes = await asyncio.to_thread(_draw, texts)
    return page(
        request,
        "scanner-codes.html",
        commands=codes[:modes],
        locations=codes[modes:],
        skip=skip,
        rows=_CODES,
        more=len(locations) > _CODES,
    )


@get("/scanners/{scanner_id:str}", opt=admins)
async def show_scanner(request: Request[Any, Any, Any], database: Database, scanner_id: ScannerPath) -> Html:
    """One scanner; an unknown one has the default state."""
    return await _page(request, database, scanner_id)


@post("/scanners/{scanner_id:str}", opt=admins)
async def change_scanner(
    request: Request[Any, Any, Any], database: Database, user: Principal, scanner_id: ScannerPath
) -> Html:
    """Sets mode, location and association, each if it was changed: the device may have changed the others since."""
    values = await read_values(request)
    changed = changed_values(values)
    form: Form[ScannerForm] = Form(values)
    with form.catching():
        async with database.read() as read:
            await pickers.pick_location(read, changed)
        form = parse_form(changed, ScannerForm)
        form.values = values | changed
    if not form.errors:
        given = form.data
        change = StateChange(mode=given.mode, location_id=given.location_id)
        with form.catching():
            async with database.transaction() as tx:
                if not is_empty(change):
                    await repository.change_state(tx, scanner_id, change, user)
                if given.user_id is not UNSET:
                    await repository.associate_scanner(tx, scanner_id, given.user_id, user)
    if form.errors:
        return await _page(request, database, scanner_id, form)
    return see_other(request, f"/scanners/{_quoted(scanner_id)}", done="changed")


@post("/scanners/{scanner_id:str}/reset", opt=admins)
async def reset_scanner(
    request: Request[Any, Any, Any], tx: Connection, user: Principal, scanner_id: ScannerPath
) -> Html:
    """Resets the scanner to mode add and no location."""
    await repository.change_state(tx, scanner_id, repository.AS_NEW, user)
    return see_other(request, f"/scanners/{_quoted(scanner_id)}", done="reset")


async def _page(
    request: Request[Any, Any, Any], database: Database, scanner_id: str, form: Form[Any] | None = None
) -> Html:
    async with database.read() as read:
        scanner = await repository.get_state(read, scanner_id)
        users = await accounts.list_users(read, skip=0, limit=_MOST_PEOPLE)
        events = (await list_events(read, limit=_EVENTS, scanner_id=scanner_id)).events
        lines = await describe_events(read, events)
    form = form or Form()
    return page(
        request,
        "scanner.html",
        form.status,
        form=form,
        shown=shown_fields(
            form,
            {
                "mode": scanner.mode.value,
                "location_id": scanner.location_id,
                "location_id_text": scanner.location_path,
                "user_id": scanner.associated_user_id,
            },
        ),
        scanner=scanner,
        people=[(each.id, each.username) for each in users if each.is_active],
        lines=lines,
        done=_DONE.get(request.query_params.get("done", "")),
    )


def _draw(texts: list[tuple[str | Text, str | Text, str]]) -> list[Code]:
    pictures = [base64.b64encode(draw_qr(text, "svg")).decode() for _label, _detail, text in texts]
    return [
        Code(label, detail, f"data:image/svg+xml;base64,{picture}")
        for (label, detail, _text), picture in zip(texts, pictures, strict=True)
    ]


def _quoted(scanner_id: str) -> str:
    """A scanner's id in a path, where it may hold a slash."""
    return quote(scanner_id, safe="")


routes = [show_scanners, show_codes, show_scanner, change_scanner, reset_scanner]

"""`/scan`: books scanned codes. The script uses POST /events, the form the same service.

An event_id is used by only one of them: the script never sends that of the form.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.enums import MediaType
from litestar.params import Parameter
from msgspec import Struct, structs

from stocky.auth.guards import scanners
from stocky.auth.schemas import Principal, Role
from stocky.barcodes.command_codes import is_command
from stocky.catalogue import location_repository as locations
from stocky.catalogue.schemas import Location
from stocky.catalogue.stubs import hide_unused_stub
from stocky.db import Connection, Database
from stocky.errors import Conflict, Forbidden, Invalid, NotFound, StockyError
from stocky.http.parameters import PathId
from stocky.pages.decoding import available
from stocky.pages.forms import Form, filled, read_form
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.scanning import ScanForm, Shown, book, look_up, show_event
from stocky.pages.typed import NEW, as_id, find_location
from stocky.scanner.commands import find_location_id, next_quantity, payload_value, read_command
from stocky.scanner.schemas import CommandName, Mode
from stocky.schema import MAX_ID
from stocky.stock import repository as stock
from stocky.stock import service
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import EventId, NewUndo

# The modes that can put stock where none has been.
_ADDING = (Mode.ADD, Mode.MOVE, Mode.COUNT)
OptionalId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, required=False)]


class UndoForm(Struct):
    """The undo of a scan. A script also sends the event_id of the undo, which it may send again, and that of the scan.

    After a restore another event may have the ledger id that the script has stored.
    """

    undo_id: EventId | None = None
    scan_event_id: EventId | None = None


@get("/scan", opt=scanners)
async def show_scan(
    request: Request[Any, Any, Any],
    read: Connection,
    mode: str = "add",
    location_id: OptionalId = None,
    amount: str = "1",
    event: OptionalId = None,
    then: str = "",
) -> Html:
    """The page with the mode, location and amount of its address; `event` is the last scan of a form.

    `then` is the amount after the next scan, where a command set that of the next one.
    """
    chosen = mode.lower() if mode.lower() in {each.value for each in Mode} else Mode.ADD.value
    location = None if location_id is None else (await _find(read, location_id))
    shown = None if event is None else await show_event(read, event)
    return _page(request, filled({"mode": chosen, "amount": amount[:20], "then": then[:20]}), location, shown)


@post("/scan", opt=scanners)
async def scan(request: Request[Any, Any, Any], state: State, recorder: Recorder, user: Principal) -> Html:
    """One scan, for browsers without script."""
    form = await read_form(request, ScanForm)
    if form.errors:
        return _page(request, form, None)
    data = form.data
    try:
        location = await _read_location(state.database, form, user)
    except (Conflict, Invalid, NotFound) as error:
        form.refuse(Invalid(error.detail, field="location_id_text"))
        is_new = isinstance(error, NotFound) and data.location_id is None and _may_add(user, data.mode)
        return _page(request, form, None, new_location=form.text("location_id_text").strip() if is_new else "")
    try:
        if is_command(data.code):
            return await _obey(request, state, recorder, user, form, location)
        if data.mode is Mode.LOOKUP:
            return _page(request, form, location, await look_up(state.database, recorder, data.code, user))
    except (Conflict, Invalid, NotFound) as error:
        form.refuse(Invalid(error.detail.removeprefix("upc: "), field="code"))
        return _page(request, form, location)
    shown = await book(state.database, recorder, data, location, user)
    if shown.event_id is None:
        form.status = 422
        if location is None and data.mode is Mode.ADD and shown.reason.startswith("Name the location:"):
            form.refuse(Invalid("Choose where it goes", field="location_id"))
            shown = structs.replace(shown, reason=form.errors["location_id"])
        return _page(request, form, location, shown)
    settings = _settings(form, location)
    if settings.pop("then"):
        settings["amount"] = form.text("then")
    if shown.warning:
        # Shown at once, as no address has it. Loading this page again sends the same event_id, which counts once.
        async with state.database.read() as read:
            card = await show_event(read, shown.event_id) or shown
        next_form: Form[Any] = filled({"mode": settings["mode"], "amount": settings["amount"]})
        return _page(request, next_form, location, structs.replace(card, warning=shown.warning))
    return see_other(request, "/scan", **settings, event=shown.event_id)


@post("/scan/events/{event_id:int}/undo", opt=scanners)
async def undo(
    request: Request[Any, Any, Any], state: State, recorder: Recorder, user: Principal, event_id: PathId
) -> Html:
    """Undoes one scan; the role scanner only its own. Scripts get JSON, which no sign-in page of a network sends."""
    form = await read_form(request, UndoForm)
    if form.errors:
        raise Invalid(form.general_error)
    await _undo(state, recorder, user, event_id, form.data)
    if request.headers.get("x-requested-with"):
        return Response(
            msgspec.json.encode({"id": event_id}),
            status_code=200,
            media_type=MediaType.JSON,
            headers={"Cache-Control": "no-store"},
        )
    settings = {name: form.text(name) for name in ("mode", "location_id", "amount")}
    return see_other(request, "/scan", **settings, event=event_id)


async def _undo(state: State, recorder: Recorder, user: Principal, event_id: int, form: UndoForm | None = None) -> None:
    """Undoes one scan.

    Raises NotFound, Conflict also for another event_id than that of the form, and Forbidden for the role scanner with
    the scan of another user.
    """
    form = form or UndoForm()
    async with state.database.read() as read:
        event = await stock.get_event(read, event_id)
    if form.scan_event_id is not None and event.event_id != form.scan_event_id:
        raise Conflict("This scan is not recorded any more, since a backup was restored; nothing was undone")
    if user.user.role is Role.SCANNER and event.user_id != user.id:
        raise Forbidden("Access denied. A scanner undoes its own scans only")
    await service.undo(recorder, NewUndo(event_id=form.undo_id), user, event=event_id)
    # The scan is undone, whatever becomes of the item that a mistyped code has made.
    with suppress(StockyError):
        async with state.database.transaction() as tx:
            await hide_unused_stub(tx, event.item_id, user)


async def _read_location(database: Database, form: Form[ScanForm], user: Principal) -> Location | None:
    """The location of the form, or the one that its user pressed to add. Raises Conflict, Invalid, NotFound."""
    chosen, text, new = form.data.location_id, form.data.location_id_text.strip(), form.text("add_location").strip()
    if chosen is None and new and _may_add(user, form.data.mode):
        # What the button named: the field may have another text by now.
        form.values |= {"location_id": [NEW], "location_id_text": [new]}
        return await find_location(database, form, "location_id", user)
    async with database.read() as read:
        if chosen is not None:
            return await locations.get_location(read, chosen)
        if not text:
            return None
        try:
            return await locations.get_location_by_name(read, text)
        except NotFound:
            if _may_add(user, form.data.mode) or form.data.mode not in _ADDING:
                raise
            raise NotFound(f"There is no location {text!r}; members and admins can add it") from None


def _may_add(user: Principal, mode: Mode) -> bool:
    """Whether the user may add the location of a scan: nothing can be taken from a new one."""
    return mode in _ADDING and user.user.role in (Role.ADMIN, Role.MEMBER)


async def _find(read: Connection, location_id: int) -> Location | None:
    try:
        return await locations.get_location(read, location_id)
    except NotFound:
        return None


async def _obey(
    request: Request[Any, Any, Any],
    state: State,
    recorder: Recorder,
    user: Principal,
    form: Form[ScanForm],
    location: Location | None,
) -> Html:
    """A printed command: sets the mode, the location or the next amount of the page, or undoes its last scan.

    Raises what `run_command` raises.
    """
    command = read_command(form.data.code)
    payload, settings = command.payload, _settings(form, location)
    if command.command is CommandName.SET_MODE:
        settings["mode"] = payload_value(payload, "mode", Mode).value
    elif command.command is CommandName.SET_LOCATION:
        async with state.database.read() as read:
            wanted = await find_location_id(read, payload)
            settings["location_id"] = None if wanted is None else (await locations.get_active_location(read, wanted)).id
    elif command.command is CommandName.SET_NEXT_QUANTITY:
        usual = form.text("then") or form.text("amount")
        is_set = bool(next_quantity(payload))
        settings |= {"amount": payload["quantity"], "then": usual} if is_set else {"amount": usual, "then": None}
    elif command.command is CommandName.UNDO and (last := as_id(form.text("last"))) is not None:
        await _undo(state, recorder, user, last)
        settings["event"] = last
    else:
        raise Invalid("This command does nothing here", field="code")
    return see_other(request, "/scan", **settings)


def _settings(form: Form[Any], location: Location | None) -> dict[str, Any]:
    return {
        "mode": form.data.mode.value,
        "location_id": location.id if location else None,
        "amount": form.text("amount"),
        "then": form.text("then") or None,
    }


def _page(
    request: Request[Any, Any, Any],
    form: Form[Any],
    location: Location | None,
    shown: Shown | None = None,
    *,
    new_location: str = "",
) -> Html:
    return page(
        request,
        "scan.html",
        form.status,
        form=form,
        location=location,
        shown=shown,
        new_location=new_location,
        event_id=str(uuid4()),
        can_decode=available(),
    )


routes = [show_scan, scan, undo]

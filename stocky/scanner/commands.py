"""Commands scanned as labels: they set the scanner's mode, location or next quantity, show a view, or undo a scan.

A label has a short code (`stocky.barcodes.command_codes`) or JSON; both mean the same.
"""

from __future__ import annotations

from typing import Any

import msgspec

from stocky.auth.schemas import Principal
from stocky.barcodes.command_codes import (
    ShortCode,
    Word,
    describe_mangled,
    find_command,
    is_command,
    make_short_code,
    read_short_code,
)
from stocky.catalogue.location_repository import get_location_by_name
from stocky.db import Connection, Database
from stocky.errors import Invalid
from stocky.http.request import holds_escaped_nul
from stocky.http.validation_messages import describe_error
from stocky.quantity import Quantity, quantity_text, rounded, to_milli
from stocky.scanner import repository
from stocky.scanner.scanning import scan_barcode
from stocky.scanner.schemas import Command, CommandName, Mode, Scan, ScanAnswer, ScannerState, StateChange
from stocky.schema import Id
from stocky.stock.operations import Operation
from stocky.stock.recorder import Recorder
from stocky.stock.service import named

_NOTHING_LEFT = "There is nothing left to undo"
_MODES: dict[Word, Mode] = {
    "PUT": Mode.ADD,
    "OUT": Mode.REMOVE,
    "RELOC": Mode.MOVE,
    "LOOKUP": Mode.LOOKUP,
    "COUNT": Mode.COUNT,
}
_WORDS = {mode: word for word, mode in _MODES.items()}


def short_code(command: Command) -> str:
    """The short code of a command. Raises Invalid for one that has none, or whose payload does not fit it."""
    payload, name = command.payload, command.command
    if name is CommandName.SET_MODE:
        return make_short_code(_WORDS[payload_value(payload, "mode", Mode)])
    if name is CommandName.SET_LOCATION and "location_id" in payload:
        location_id = payload_value(payload, "location_id", Id | None)
        return make_short_code("NOLOC") if location_id is None else make_short_code("LOC", location_id)
    if name is CommandName.SET_NEXT_QUANTITY:
        return make_short_code("NEXT", payload_value(payload, "quantity", Id))
    if name is CommandName.ASSOCIATE_UI and "user_id" in payload:
        return make_short_code("FOR", payload_value(payload, "user_id", Id))
    if name is CommandName.UNDO:
        return make_short_code("UNDO")
    raise Invalid("Modes, locations by id, next quantities, users and undo have a short code; print this as JSON")


def read_command(text: str) -> Command:
    """Reads a text that `is_command`. Raises Invalid for a damaged or mangled one, and for JSON that is no command."""
    found = find_command(text)
    if found is not None and found.kind == "mangled":
        raise Invalid(f"upc: {describe_mangled(found.text)}", field="upc")
    if found is not None and found.kind == "short":
        try:
            return _of_short(read_short_code(found.text))
        except ValueError as error:
            raise Invalid(f"upc: {error}", field="upc") from None
    return _of_json(text if found is None else found.text)


def _of_short(code: ShortCode) -> Command:
    if code.word in _MODES:
        return Command(command=CommandName.SET_MODE, payload={"mode": _MODES[code.word].value})
    if code.word == "UNDO":
        return Command(command=CommandName.UNDO)
    if code.word == "NEXT":
        return Command(command=CommandName.SET_NEXT_QUANTITY, payload={"quantity": code.number})
    if code.word == "FOR":
        return Command(command=CommandName.ASSOCIATE_UI, payload={"user_id": code.number})
    return Command(command=CommandName.SET_LOCATION, payload={"location_id": code.number})


def _of_json(text: str) -> Command:
    if holds_escaped_nul(text.encode()):
        raise Invalid("Text may not contain NUL characters", field="upc")
    try:
        return msgspec.json.decode(text, type=Command)
    except msgspec.ValidationError as error:
        raise Invalid(
            f"upc: this is not a command Stocky knows; {describe_error(error, Command)}", field="upc"
        ) from None
    except (msgspec.DecodeError, RecursionError):
        raise Invalid("upc: this begins like a command but is not valid JSON; scan it again", field="upc") from None


async def run_command(database: Database, recorder: Recorder, scan: Scan, by: Principal) -> ScanAnswer:
    """Runs a scanned command. Raises Invalid for a payload that does not fit it, NotFound."""
    command = read_command(scan.upc)
    scanner_id = scan.scanner_id or repository.own_scanner_id(by)
    if command.command is CommandName.UNDO:
        return await _undo(database, recorder, scan, scanner_id, by)
    async with database.transaction() as tx:
        await repository.touch_scanner(tx, scanner_id, by)
        state, message = await _set(tx, command, scanner_id, by)
    return _answer(state, message)


async def scan_once(database: Database, recorder: Recorder, scan: Scan, by: Principal) -> ScanAnswer:
    """Records a scan or runs a command, for a transport that may deliver it again later: it has an `event_id`.

    A command that comes again changes nothing: since the first time, another one may have set something else. So a scan
    that booked nothing, as in the mode lookup, books nothing when it comes again in another mode.
    Raises what `scan_barcode` and `run_command` raise, and Conflict for an event_id that was used with other content.
    """
    assert scan.event_id is not None
    if not is_command(scan.upc):
        return await scan_barcode(recorder, scan, by, may_come_again=True)
    command = read_command(scan.upc)
    if command.command is CommandName.UNDO:
        return await run_command(database, recorder, scan, by)
    scanner_id = scan.scanner_id or repository.own_scanner_id(by)
    content = (scan.upc, scanner_id)
    async with database.transaction() as tx:
        await repository.touch_scanner(tx, scanner_id, by)
        message = await repository.find_run(tx, scan.event_id, content)
        if message is not None:
            answer = _answer(await repository.get_state(tx, scanner_id), message)
            answer.duplicate = True
            return answer
        state, message = await _set(tx, command, scanner_id, by)
        await repository.note_run(tx, scan.event_id, content, message)
    return _answer(state, message)


async def _set(tx: Connection, command: Command, scanner_id: str, by: Principal) -> tuple[ScannerState, str]:
    payload = command.payload
    if command.command is CommandName.SET_MODE:
        mode = payload_value(payload, "mode", Mode)
        return await repository.change_state(tx, scanner_id, StateChange(mode=mode), by), f"Mode: {mode.value}"
    if command.command is CommandName.SET_LOCATION:
        location_id = await find_location_id(tx, payload)
        state = await repository.change_state(tx, scanner_id, StateChange(location_id=location_id), by)
        return state, f"Location: {state.location_path or 'none'}"
    if command.command is CommandName.SET_NEXT_QUANTITY:
        change = StateChange(next_quantity=next_quantity(payload))
        state = await repository.change_state(tx, scanner_id, change, by)
        wanted = "as usual" if state.next_quantity is None else quantity_text(to_milli(state.next_quantity))
        return state, f"The next scan counts {wanted}"
    if command.command is CommandName.ASSOCIATE_UI:
        user_id = payload_value(payload, "user_id", Id) if "user_id" in payload else by.id
        state = await repository.associate_scanner(tx, scanner_id, user_id, by)
        return state, f"Associated with {state.associated_user}"
    view = payload_value(payload, "view", str)
    if not 0 < len(view) <= 200:
        raise Invalid("payload.view: a view's name has 1 to 200 characters", field="upc")
    return await repository.set_view(tx, scanner_id, view), f"View: {view}"


def next_quantity(payload: dict[str, Any]) -> float | None:
    """What the next scan counts by the payload of a command; 0 and None are as usual. Raises Invalid."""
    quantity: float | None = payload_value(payload, "quantity", Quantity | None)
    try:
        return None if quantity is None else rounded(quantity, "payload.quantity")
    except ValueError as error:
        raise Invalid(str(error), field="upc") from None


async def find_location_id(read: Connection, payload: dict[str, Any]) -> int | None:
    """The id of the location in the payload of a command; None for no location. Raises Invalid, NotFound, Conflict."""
    name = payload.get("name", payload.get("location_name"))
    if name is not None:
        return (await get_location_by_name(read, str(name))).id
    location_id: int | None = payload_value(payload, "location_id", Id | None)
    return location_id


async def _undo(database: Database, recorder: Recorder, scan: Scan, scanner_id: str, by: Principal) -> ScanAnswer:
    async with database.read() as read:
        state = await repository.get_state(read, scanner_id)
        last: int | None = await read.value("find_last_event_of_scanner", scanner_id=scanner_id)
    if last is None and scan.event_id is None:
        return _answer(state, _NOTHING_LEFT, success=False)
    outcome = await recorder.record(
        Operation(
            kind="undo",
            # With nothing left it may still be a repeated undo, found by its event_id; no event has the id 0.
            undo_event=last or 0,
            occurred_at=scan.scanned_at,
            user_id=by.id,
            scanner_id=scanner_id,
            with_details=True,
            **named(scan.event_id, (scan.upc, scanner_id)),
        )
    )
    undone = outcome.events[0].reverses_id if outcome.events else last
    message = _NOTHING_LEFT if last is None and outcome.reason else outcome.reason or f"Event {undone} is undone"
    answer = _answer(state, message, success=outcome.status != "rejected")
    answer.event = outcome.events[0] if outcome.events else None
    answer.duplicate = outcome.status == "duplicate"
    return answer


def _answer(state: ScannerState, message: str, *, success: bool = True) -> ScanAnswer:
    return ScanAnswer(
        success=success,
        item=None,
        skus=[],
        message=message,
        mode=state.mode,
        scanner_state=state,
        suggested_actions=[],
        event=None,
        duplicate=False,
    )


def payload_value(payload: dict[str, Any], name: str, type: Any) -> Any:
    """A value of the payload. Raises Invalid if it is missing or of another type."""
    if name not in payload:
        raise Invalid(f"The command needs {name} in its payload", field="upc")
    try:
        return msgspec.convert(payload[name], type)
    except msgspec.ValidationError as error:
        raise Invalid(f"payload.{name}: {describe_error(error, type)}", field="upc") from None

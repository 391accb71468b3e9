"""Commands scanned as QR codes: they set the scanner's mode or location, show a view, or undo the last scan."""

from __future__ import annotations

from typing import Any

import msgspec

from stocky.auth.schemas import Principal
from stocky.catalogue.location_repository import get_location_by_name
from stocky.db import Connection, Database
from stocky.errors import Invalid
from stocky.http.request import holds_escaped_nul
from stocky.http.validation_messages import describe_error
from stocky.scanner import repository
from stocky.scanner.schemas import Command, CommandName, Mode, Scan, ScanAnswer, ScannerState, StateChange
from stocky.schema import Id
from stocky.stock.operations import Operation
from stocky.stock.recorder import Recorder
from stocky.stock.service import named

_NOTHING_LEFT = "There is nothing left to undo"


def is_command(text: str) -> bool:
    """Whether the scanned text is a command."""
    return text.lstrip().startswith("{")


def read_command(text: str) -> Command:
    """Raises Invalid for JSON that is not a command."""
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


async def _set(tx: Connection, command: Command, scanner_id: str, by: Principal) -> tuple[ScannerState, str]:
    payload = command.payload
    if command.command is CommandName.SET_MODE:
        mode = _payload_value(payload, "mode", Mode)
        return await repository.change_state(tx, scanner_id, StateChange(mode=mode), by), f"Mode: {mode.value}"
    if command.command is CommandName.SET_LOCATION:
        location_id = await _location_id(tx, payload)
        state = await repository.change_state(tx, scanner_id, StateChange(location_id=location_id), by)
        return state, f"Location: {state.location_name or 'none'}"
    if command.command is CommandName.ASSOCIATE_UI:
        user_id = _payload_value(payload, "user_id", Id) if "user_id" in payload else by.id
        state = await repository.associate_scanner(tx, scanner_id, user_id, by)
        return state, f"Associated with {state.associated_user}"
    view = _payload_value(payload, "view", str)
    if not 0 < len(view) <= 200:
        raise Invalid("payload.view: a view's name has 1 to 200 characters", field="upc")
    return await repository.set_view(tx, scanner_id, view), f"View: {view}"


async def _location_id(tx: Connection, payload: dict[str, Any]) -> int | None:
    name = payload.get("name", payload.get("location_name"))
    if name is not None:
        return (await get_location_by_name(tx, str(name))).id
    location_id: int | None = _payload_value(payload, "location_id", Id | None)
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


def _payload_value(payload: dict[str, Any], name: str, type: Any) -> Any:
    """A value of the payload. Raises Invalid if it is missing or of another type."""
    if name not in payload:
        raise Invalid(f"The command needs {name} in its payload", field="upc")
    try:
        return msgspec.convert(payload[name], type)
    except msgspec.ValidationError as error:
        raise Invalid(f"payload.{name}: {describe_error(error, type)}", field="upc") from None

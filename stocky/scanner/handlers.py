"""`/scanner`: scans, and the states of scanners."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response, Router, delete, get, post, put
from litestar.params import Parameter

from stocky.auth.guards import members, scanners
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import LONGEST_TEXT
from stocky.catalogue.qr import draw_qr, qr_response
from stocky.db import Connection, Database
from stocky.http.parameters import Paging
from stocky.http.request import StockyRequest
from stocky.scanner import commands, repository
from stocky.scanner.fast_path import ScanFastPath
from stocky.scanner.scanning import look_up, scan_barcode
from stocky.scanner.schemas import (
    Activity,
    Association,
    Command,
    CommandCode,
    Scan,
    ScanAnswer,
    ScannerState,
    StateChange,
)
from stocky.stock.recorder import Recorder

ScannerPath = Annotated[str, Parameter(min_length=1, max_length=128, description="A scanner's id")]


@post("/scan", opt=scanners, status_code=200, middleware=[ScanFastPath])
async def scan(data: Scan, database: Database, recorder: Recorder, user: Principal) -> ScanAnswer:
    """Process one scan in its scanner's state. A rejection by the stock rules is 200 with `success` false."""
    if commands.is_command(data.upc):
        return await commands.run_command(database, recorder, data, user)
    return await scan_barcode(recorder, data, user)


@get("/", opt=scanners)
async def list_scanners(read: Connection, paging: Paging) -> list[ScannerState]:
    """Every known scanner."""
    return await repository.list_scanners(read, skip=paging.skip, limit=paging.limit)


@get("/status", opt=scanners)
async def get_own_status(read: Connection, user: Principal) -> ScannerState:
    """The state of the scanner that you used last."""
    return await repository.get_own_state(read, user)


@get("/status/{scanner_id:str}", opt=scanners)
async def get_status(read: Connection, scanner_id: ScannerPath) -> ScannerState:
    """The state of one scanner; an unknown scanner has mode add and no location."""
    return await repository.get_state(read, scanner_id)


@put("/{scanner_id:str}/state", opt=scanners)
async def change_state(data: StateChange, tx: Connection, user: Principal, scanner_id: ScannerPath) -> ScannerState:
    """Set a scanner's mode and location."""
    return await repository.change_state(tx, scanner_id, data, user)


@post("/reset/{scanner_id:str}", opt=scanners, status_code=200)
async def reset(tx: Connection, user: Principal, scanner_id: ScannerPath) -> ScannerState:
    """Reset a scanner to mode add and no location."""
    return await repository.change_state(tx, scanner_id, repository.AS_NEW, user)


@post("/associate", opt=members, status_code=200)
async def associate(data: Association, tx: Connection, user: Principal) -> ScannerState:
    """Associate a scanner with a user, whose pages show its scans."""
    return await repository.associate_scanner(tx, data.scanner_id, data.user_id, user)


@delete("/associate/{scanner_id:str}", opt=members)
async def end_association(tx: Connection, user: Principal, scanner_id: ScannerPath) -> None:
    """End a scanner's association with a user."""
    await repository.associate_scanner(tx, scanner_id, None, user)


@get("/associations", opt=scanners)
async def list_associations(read: Connection, paging: Paging) -> list[ScannerState]:
    """The scanners associated with a user."""
    return await repository.list_scanners(read, skip=paging.skip, limit=paging.limit, associated_only=True)


@post("/lookup/{upc:str}", opt=scanners, status_code=200)
async def lookup(
    request: StockyRequest,
    upc: Annotated[
        str, Parameter(min_length=1, max_length=LONGEST_TEXT, description="A barcode, a GS1 code or an item's code")
    ],
) -> ScanAnswer:
    """The item of a barcode, with its stock; nothing is booked."""
    return await look_up(request.app.state.recorder, upc, request.user)


@post("/qr/command", opt=scanners, status_code=200)
async def print_command(data: Command, request: StockyRequest) -> Response[Any]:
    """A command as a QR code to print: JSON with its text and SVG, or the image itself by Accept."""
    text = msgspec.json.encode(data).decode()
    if request.accept.best_match(["application/json", "image/svg+xml", "image/png"]) != "application/json":
        return await qr_response(request, text)
    return Response(CommandCode(text, (await asyncio.to_thread(draw_qr, text, "svg")).decode()))


@post("/activity", opt=scanners, status_code=200)
async def activity(data: Activity, tx: Connection, user: Principal) -> ScannerState:
    """Update a scanner's `last_seen`."""
    return await repository.touch_scanner(tx, data.scanner_id, user)


scanner_routes = Router(
    "/scanner",
    route_handlers=[
        scan,
        list_scanners,
        get_own_status,
        get_status,
        change_state,
        reset,
        associate,
        end_association,
        list_associations,
        lookup,
        print_command,
        activity,
    ],
    tags=["Scanner"],
)

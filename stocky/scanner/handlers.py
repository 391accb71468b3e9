"""`/scanner`: scans, and the states of scanners."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import Parameter

from stocky.auth.guards import members, scanners
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import LONGEST_TEXT
from stocky.barcodes.command_codes import is_command
from stocky.catalogue.qr import CommandForm, draw_qr, qr_response
from stocky.db import Connection, Database
from stocky.http.openapi import always_found, may_be_missing, produces, read_only
from stocky.http.parameters import Paging
from stocky.http.request import StockyRequest
from stocky.http.routing import Router
from stocky.scanner import commands, repository
from stocky.scanner.fast_path import RaisedInRoute
from stocky.scanner.scanning import look_up, scan_barcode
from stocky.scanner.schemas import (
    Activity,
    Associated,
    Association,
    AssociationEnded,
    Associations,
    Command,
    CommandCode,
    Scan,
    ScanAnswer,
    ScannerState,
    StateChange,
)
from stocky.stock.recorder import Recorder

_log = logging.getLogger(__name__)
ScannerPath = Annotated[str, Parameter(min_length=1, max_length=128, description="A scanner's id")]


@post("/scan", opt=scanners, status_code=200, middleware=[RaisedInRoute], responses=may_be_missing)
async def scan(data: Scan, database: Database, recorder: Recorder, user: Principal) -> ScanAnswer:
    """Process one scan in its scanner's state. A rejection by the stock rules is 200 with `success` false."""
    if is_command(data.upc):
        return await commands.run_command(database, recorder, data, user)
    return await scan_barcode(recorder, data, user)


@get("/", opt=scanners)
async def list_scanners(read: Connection, paging: Paging) -> list[ScannerState]:
    """Every known scanner."""
    return await repository.list_scanners(read, skip=paging.skip, limit=paging.limit, listing=paging)


@get("/status", opt=scanners)
async def get_own_status(read: Connection, user: Principal) -> ScannerState:
    """The state of the scanner that you used last."""
    return await repository.get_own_state(read, user)


@get("/status/{scanner_id:str}", opt=scanners | always_found)
async def get_status(read: Connection, scanner_id: ScannerPath) -> ScannerState:
    """The state of one scanner; an unknown scanner has mode add and no location."""
    return await repository.get_state(read, scanner_id)


@put("/{scanner_id:str}/state", opt=scanners)
async def change_state(data: StateChange, tx: Connection, user: Principal, scanner_id: ScannerPath) -> ScannerState:
    """Set a scanner's mode and location."""
    return await repository.change_state(tx, scanner_id, data, user)


@post("/reset/{scanner_id:str}", opt=scanners | always_found, status_code=200)
async def reset(tx: Connection, user: Principal, scanner_id: ScannerPath) -> ScannerState:
    """Reset a scanner to mode add and no location."""
    return await repository.change_state(tx, scanner_id, repository.AS_NEW, user)


@post("/associate", opt=members, status_code=200, responses=may_be_missing)
async def associate(data: Association, tx: Connection, user: Principal) -> Associated:
    """Associate a scanner with a user, whose pages show its scans; with yourself if none is named."""
    return await repository.associate_named(tx, data.scanner_id, data.user_id, user)


@delete("/associate/{scanner_id:str}", opt=members, status_code=200)
async def end_association(tx: Connection, user: Principal, scanner_id: ScannerPath) -> AssociationEnded:
    """End a scanner's association with a user."""
    await repository.end_association(tx, scanner_id, user)
    return AssociationEnded(message=f"Scanner {scanner_id} is no longer associated", scanner_id=scanner_id)


@get("/associations", opt=scanners)
async def list_associations(read: Connection, paging: Paging) -> Associations:
    """The scanners associated with a user."""
    return await repository.list_associations(read, skip=paging.skip, limit=paging.limit, listing=paging)


@post("/lookup/{upc:str}", opt=scanners | read_only | always_found, status_code=200)
async def lookup(
    request: StockyRequest,
    upc: Annotated[
        str, Parameter(min_length=1, max_length=LONGEST_TEXT, description="A barcode, a GS1 code or an item's code")
    ],
) -> ScanAnswer:
    """The item of a barcode, with its stock; nothing is booked."""
    return await look_up(request.app.state.recorder, upc, request.user)


@post(
    "/qr/command",
    opt=scanners | read_only | produces("application/json", "image/svg+xml", "image/png"),
    status_code=200,
)
async def print_command(data: Command, request: StockyRequest, code: CommandForm = "json") -> Response[CommandCode]:
    """A command as a QR code to print: JSON with its text and SVG, or the image itself by Accept."""
    text = commands.short_code(data) if code == "short" else msgspec.json.encode(data).decode()
    if request.accept.best_match(["application/json", "image/svg+xml", "image/png"]) != "application/json":
        return await qr_response(request, text)  # type: ignore[return-value]  # the image; OpenAPI documents the JSON
    return Response(CommandCode(text, (await asyncio.to_thread(draw_qr, text, "svg")).decode()))


@post("/activity", opt=scanners, status_code=200)
async def activity(data: Activity, tx: Connection, user: Principal) -> ScannerState:
    """Update a scanner's `last_seen`, and log what it did."""
    scanner_id = data.scanner_id or repository.own_scanner_id(user)
    if data.action is not None:
        _log.info("Scanner %s: %s", scanner_id, data.action, extra={"details": data.details})
    return await repository.touch_scanner(tx, scanner_id, user)


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

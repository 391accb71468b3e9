"""`/health` and `/metrics`: public, so they contain nothing secret; a token can be set for metrics."""

from __future__ import annotations

import asyncio
from hmac import compare_digest
from importlib import import_module

from litestar import Response, get
from litestar.datastructures import State

from stocky import __version__
from stocky.errors import Unauthorized
from stocky.http.openapi import problem
from stocky.http.request import StockyRequest
from stocky.monitoring.readiness import Readiness
from stocky.monitoring.schemas import Alive, Health, Ready, ServiceHealth

METRICS_TEXT = "text/plain; version=0.0.4"
_NOT_READY = {503: problem("Not ready; `results` has the outcome of each check")}


@get("/health/live", tags=["Monitoring"])
async def check_live() -> Alive:
    """Liveness: 200 as long as the process runs, regardless of the database."""
    return Alive()


@get("/health/ready", tags=["Monitoring"], responses=_NOT_READY)
async def check_ready(state: State) -> Ready:
    """Readiness: the database and the data directory are writable, and the schema is current.

    In `details`, `search` is how the search works (with an index or without), and `tasks` lists stalled background
    tasks; where they are configured, `offsite` says what is wrong with off-site copies, `mqtt` whether it is
    connected, and `replica` why the read replica is not used. Scans work without them, so Stocky stays ready.
    """
    readiness: Readiness = state.readiness
    details = {"search": state.search_index.state, "tasks": state.supervisor.state}
    if (offsite := state.offsite.state) is not None:
        details["offsite"] = offsite
    if state.mqtt:
        details["mqtt"] = state.mqtt.state
    if (replica := state.database.replica) is not None:
        details["replica"] = replica.state
    return Ready(checks=await readiness.require(), details=details)


@get("/health", tags=["Monitoring"], responses=_NOT_READY)
async def check_health(state: State) -> Health:
    """Liveness and readiness together."""
    readiness: Readiness = state.readiness
    return Health(version=__version__, checks=await readiness.require())


@get(
    "/metrics",
    media_type=METRICS_TEXT,
    tags=["Monitoring"],
    responses={401: problem("Only where STOCKY_METRICS_TOKEN is set: send it as `Authorization: Bearer`")},
)
async def show_metrics(request: StockyRequest, state: State) -> Response[bytes]:
    """Prometheus metrics: counts, times and sizes, no names and no content.

    Public, unless STOCKY_METRICS_TOKEN is set.
    """
    token = state.config.metrics_token
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if token and not (scheme.lower() == "bearer" and compare_digest(given.encode(), token.encode())):
        raise Unauthorized("Send the token of STOCKY_METRICS_TOKEN as Authorization: Bearer")
    figures = await state.figures.current()
    # In a thread, since the first import takes tens of milliseconds.
    page = await asyncio.to_thread(import_module, "stocky.monitoring.metrics_page")
    return Response(page.render(state.metrics, state.config.dialect, figures), media_type=METRICS_TEXT)


@get("/health", tags=["Monitoring"], responses=_NOT_READY)
async def check_service(state: State) -> ServiceHealth:
    """Readiness, in the form that existing clients expect."""
    readiness: Readiness = state.readiness
    await readiness.require()
    return ServiceHealth()


health_routes = [check_live, check_ready, check_health, show_metrics]
service_routes = [check_service]

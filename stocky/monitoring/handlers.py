"""`/health` and `/metrics`: open to everyone, so nothing in them is secret."""

from __future__ import annotations

from litestar import Response, get
from litestar.datastructures import State

from stocky import __version__
from stocky.http.openapi import problem
from stocky.monitoring.readiness import Readiness
from stocky.monitoring.schemas import Alive, Health, Ready, ServiceHealth

METRICS_TEXT = "text/plain; version=0.0.4"
_NOT_READY = {503: problem("Not ready; `results` has what each check says")}


@get("/health/live", tags=["Monitoring"])
async def check_live() -> Alive:
    """Whether the process answers; 200 as long as it runs, whatever the database does."""
    return Alive()


@get("/health/ready", tags=["Monitoring"], responses=_NOT_READY)
async def check_ready(state: State) -> Ready:
    """Whether Stocky can do its work: the database and the data directory can be written, the schema is current.

    `details` say how it does what can be done in more than one way, such as searching with an index or without, and in
    `tasks` which background tasks have not worked for a while: scans go on without them, so Stocky stays ready.
    """
    readiness: Readiness = state.readiness
    details = {"search": state.search_index.state, "tasks": state.supervisor.state}
    return Ready(checks=await readiness.require(), details=details)


@get("/health", tags=["Monitoring"], responses=_NOT_READY)
async def check_health(state: State) -> Health:
    """Both: the process answers and can do its work."""
    readiness: Readiness = state.readiness
    return Health(version=__version__, checks=await readiness.require())


@get("/metrics", media_type=METRICS_TEXT, tags=["Monitoring"])
async def show_metrics(state: State) -> Response[bytes]:
    """Figures for Prometheus, without a login: counts, times and sizes, no names and no content."""
    return Response(state.metrics.text(), media_type=METRICS_TEXT)


@get("/health", tags=["Monitoring"], responses=_NOT_READY)
async def check_service(state: State) -> ServiceHealth:
    """Whether Stocky can do its work, in the shape that existing clients look for."""
    readiness: Readiness = state.readiness
    await readiness.require()
    return ServiceHealth()


health_routes = [check_live, check_ready, check_health, show_metrics]
service_routes = [check_service]

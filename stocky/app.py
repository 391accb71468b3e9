"""The application: the routes, the dependencies of handlers, and error responses. Read this first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.types import Method

from stocky.alerts.handlers import alert_routes
from stocky.assistance.handlers import assistance_routes
from stocky.auth.guards import admit
from stocky.auth.handlers import auth_routes, key_routes, user_routes
from stocky.auth.schemas import Principal
from stocky.backup.handlers import backup_routes, system_routes
from stocky.boxes.handlers import box_routes
from stocky.catalogue.handlers import item_routes, location_routes, part_routes
from stocky.config import MAX_BODY_BYTES, Config
from stocky.db import Connection, Database, Lane
from stocky.db.read_position import HEADER as POSITION_HEADER
from stocky.documents.handlers import document_routes, item_document_routes
from stocky.exports.handlers import export_routes
from stocky.http.client_address import Proxies
from stocky.http.docs_page import docs_routes
from stocky.http.middleware import RequestContextMiddleware
from stocky.http.openapi_document import openapi_config, show_document
from stocky.http.parameters import paging
from stocky.http.problem_types import problem_routes
from stocky.http.request import StockyRequest, lane_of
from stocky.http.routing import Application, Router, register
from stocky.imports.handlers import import_routes
from stocky.jobs.handlers import job_routes
from stocky.labels.handlers import label_routes
from stocky.lending.handlers import loan_routes
from stocky.live.handlers import live_routes
from stocky.logs.handlers import audit_routes, log_routes
from stocky.logs.memory import MemoryLog
from stocky.lookup.handlers import lookup_routes
from stocky.merging.handlers import merging_routes
from stocky.monitoring.handlers import health_routes, service_routes
from stocky.notices.handlers import notice_routes
from stocky.pages.assets import asset_routes
from stocky.pages.messages import translate
from stocky.pages.problems import to_response
from stocky.pages.routes import page_routes
from stocky.prices.handlers import item_price_routes, price_routes, value_routes
from stocky.projects.handlers import project_routes
from stocky.reorganisation.handlers import reorganisation_routes
from stocky.scanner.fast_path import ScanFastPath
from stocky.scanner.handlers import scanner_routes
from stocky.search.handlers import search_routes
from stocky.services import Services
from stocky.settings.handlers import settings_routes
from stocky.shopping.handlers import shopping_entry_routes, shopping_list_routes
from stocky.stock.event_handlers import event_routes, item_history_routes
from stocky.stock.sku_handlers import sku_routes
from stocky.webhooks.handlers import webhook_routes

# Of the API, each below /api/v1.
api_routes: list[Router | HTTPRouteHandler] = [
    auth_routes,
    user_routes,
    *key_routes,
    item_routes,
    location_routes,
    *part_routes,
    box_routes,
    label_routes,
    reorganisation_routes,
    sku_routes,
    loan_routes,
    scanner_routes,
    event_routes,
    live_routes,
    item_history_routes,
    item_price_routes,
    price_routes,
    value_routes,
    lookup_routes,
    merging_routes,
    alert_routes,
    shopping_list_routes,
    shopping_entry_routes,
    document_routes,
    item_document_routes,
    *assistance_routes,
    project_routes,
    import_routes,
    export_routes,
    search_routes,
    backup_routes,
    system_routes,
    job_routes,
    settings_routes,
    webhook_routes,
    notice_routes,
    *log_routes,
    audit_routes,
    *service_routes,
]

# The services that handlers can take as a parameter of the same name.
_SERVICES = (
    "database",
    "recorder",
    "backups",
    "passphrase_confirmation",
    "documents",
    "merging",
    "reorganisation",
    "imports",
    "webhooks",
    "notices",
    "assistance",
)
# Headers that scripts of other origins may send, and may read, besides those that the Fetch standard always allows.
_SENT_HEADERS = [
    *("Authorization", "Content-Type", "If-Match", "If-None-Match", "If-Range", "Last-Event-ID", "Range"),
    *("X-API-Key", "X-Request-ID", POSITION_HEADER),
]
_READ_HEADERS = [
    *("Accept-Ranges", "Allow", "Content-Disposition", "Content-Encoding", "Content-Range", "ETag", "Link", "Location"),
    *("Retry-After", "WWW-Authenticate", "X-Request-ID", POSITION_HEADER, "X-Total-Count"),
]
_METHODS: list[Literal["*"] | Method] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def create_app(config: Config, memory_log: MemoryLog | None = None) -> Litestar:
    """The application on a migrated database. `memory_log` is what `/logs` shows."""
    return attach(make_routes(config.allowed_origins), Services(config, memory_log))


def make_routes(allowed_origins: Sequence[str] = ()) -> Litestar:
    """All routes, without services; browsers may call them from pages of `allowed_origins`."""
    app = Application(
        route_handlers=[*health_routes, show_document],
        dependencies={
            "lane": Provide(_lane),
            "paging": Provide(paging, sync_to_thread=False),
            "read": Provide(_read),
            "tx": Provide(_transaction),
            "user": Provide(_user),
            **{name: _service(name) for name in _SERVICES},
        },
        before_request=admit,
        exception_handlers={Exception: to_response},
        cors_config=_cors(allowed_origins),
        lifespan=[_lifespan],
        # Set up by the caller; Litestar's own configuration would replace it.
        logging_config=None,
        openapi_config=openapi_config(),
        request_class=StockyRequest,
        request_max_body_size=MAX_BODY_BYTES,
    )
    for routes in (docs_routes, problem_routes, asset_routes, page_routes):
        register(app, routes)
    for each in api_routes:
        register(app, each, "/api/v1")
    return app


def attach(app: Litestar, services: Services) -> Litestar:
    """Connects `services` to the routes of `app`, replacing any it had before; returns `app`."""
    app.state = State({**vars(services), "services": services}, deep_copy=False)
    # Only the pages have translations.
    services.notices.translate = translate
    routes = app.asgi_handler
    while isinstance(routes, RequestContextMiddleware | ScanFastPath):
        routes = routes.within
    scans = ScanFastPath(routes, services.identities, services.recorder)
    proxies = Proxies(services.config.trusted_proxies)
    app.asgi_handler = RequestContextMiddleware(
        scans,
        services.metrics,
        services.database,
        proxies,
        services.config.base_path,
        services.telemetry.request if services.telemetry else None,
    )
    return app


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncIterator[None]:
    services: Services = app.state.services
    async with services.running():
        yield


async def _lane(request: StockyRequest) -> Lane:
    """The lane of the request's reads."""
    return lane_of(request)


async def _read(request: StockyRequest, state: State, lane: Lane) -> AsyncIterator[Connection]:
    """A read-only connection for the handler."""
    database: Database = state.database
    async with database.read(lane, may_use_replica=request.method == "GET") as connection:
        yield connection


async def _transaction(state: State) -> AsyncIterator[Connection]:
    """A transaction around the handler: committed before the response is sent, rolled back by any exception."""
    database: Database = state.database
    async with database.transaction() as connection:
        yield connection


async def _user(request: StockyRequest) -> Principal:
    """The authenticated user of the request."""
    user: Principal = request.user
    return user


def _service(name: str) -> Provide:
    """Provides the service of this name to a handler."""

    async def provide(state: State) -> Any:
        return state[name]

    return Provide(provide)


def _cors(allowed_origins: Sequence[str]) -> CORSConfig | None:
    if not allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(allowed_origins),
        allow_methods=_METHODS,
        allow_headers=_SENT_HEADERS,
        allow_credentials=True,
        expose_headers=_READ_HEADERS,
    )

"""Puts Stocky together: the routes, what handlers are given, the error answers, the lifespan. Read this first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from litestar import Litestar, Request, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ASGIApp, Method

from stocky.alerts.handlers import alert_routes
from stocky.alerts.upkeep import AlertUpkeep
from stocky.auth.guards import authorize
from stocky.auth.handlers import auth_routes
from stocky.auth.identity import Identities
from stocky.auth.key_handlers import key_routes
from stocky.auth.schemas import Principal
from stocky.auth.user_handlers import user_routes
from stocky.backup.administration import BackupAdministration
from stocky.backup.handlers import backup_routes
from stocky.backup.system_handlers import system_routes
from stocky.backup.upkeep import BackupUpkeep
from stocky.boxes.handlers import box_routes
from stocky.catalogue.item_handlers import item_routes
from stocky.catalogue.location_handlers import location_routes
from stocky.catalogue.part_handlers import part_routes
from stocky.config import MAX_BODY_BYTES, Config
from stocky.db import Connection, Database, make_database
from stocky.docs.page import docs_routes
from stocky.documents.collecting import Collecting
from stocky.documents.handlers import document_routes, item_document_routes
from stocky.documents.service import Documents
from stocky.edge import Edge
from stocky.exchange.export_handlers import export_routes
from stocky.exchange.import_handlers import import_routes
from stocky.exchange.imports import Imports
from stocky.jobs.handlers import job_routes
from stocky.jobs.jobs import Jobs
from stocky.jobs.schedule import Schedule
from stocky.kept_answers import KeptAnswers
from stocky.live.handlers import live_routes
from stocky.live.tail import LedgerTail
from stocky.logs.handlers import audit_routes, log_routes
from stocky.logs.memory import MemoryLog
from stocky.lookup.handlers import lookup_routes
from stocky.lookup.lookups import Lookups
from stocky.merging.handlers import merging_routes
from stocky.monitoring.handlers import health_routes, service_routes
from stocky.monitoring.metrics import Metrics
from stocky.monitoring.readiness import Readiness
from stocky.openapi import openapi_config, show_document
from stocky.problems import to_problem
from stocky.projects.handlers import project_routes
from stocky.reorganisation.handlers import reorganisation_routes
from stocky.reorganisation.service import Reorganisation
from stocky.request import StockyRequest, refuse_nul, require_json, restore_slashes
from stocky.scanner.handlers import scanner_routes
from stocky.search.handlers import search_routes
from stocky.search.index import LOOK_SECONDS, SearchIndex
from stocky.settings.handlers import settings_routes
from stocky.shopping.entry_handlers import shopping_entry_routes
from stocky.shopping.handlers import shopping_list_routes
from stocky.stock.event_handlers import event_routes, item_history_routes
from stocky.stock.recorder import Recorder
from stocky.stock.sku_handlers import sku_routes
from stocky.streams import Streams
from stocky.webhooks.handlers import webhook_routes
from stocky.webhooks.service import Webhooks

# Put together once a process: what an application registers is a copy.
api_routes = Router(
    "/api/v1",
    route_handlers=[
        auth_routes,
        user_routes,
        *key_routes,
        item_routes,
        location_routes,
        *part_routes,
        box_routes,
        reorganisation_routes,
        sku_routes,
        scanner_routes,
        event_routes,
        live_routes,
        item_history_routes,
        lookup_routes,
        merging_routes,
        alert_routes,
        shopping_list_routes,
        shopping_entry_routes,
        document_routes,
        item_document_routes,
        project_routes,
        import_routes,
        export_routes,
        search_routes,
        backup_routes,
        system_routes,
        job_routes,
        settings_routes,
        webhook_routes,
        *log_routes,
        audit_routes,
        *service_routes,
    ],
)

_METHODS: list[Literal["*"] | Method] = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def create_app(config: Config, memory_log: MemoryLog | None = None) -> Litestar:
    """The application on an already migrated database. `memory_log` is what `/logs` shows."""
    metrics = Metrics()
    database = make_database(config)
    recorder = Recorder(database)
    identities = Identities(database, config)
    jobs = Jobs(database)
    schedule = Schedule(jobs)
    tail = LedgerTail(database)
    streams = Streams()
    backups = BackupAdministration(config, database, jobs)
    AlertUpkeep(database, jobs).take_up(schedule)
    BackupUpkeep(config, database, backups.backups, jobs, metrics).take_up(schedule)
    documents = Documents(config, database)
    Collecting(database, documents.blobs, jobs).take_up(schedule)
    imports = Imports(config, database, recorder, jobs)
    imports.take_up(schedule)
    search_index = SearchIndex(database)
    schedule.every(LOOK_SECONDS, search_index.keep_in_step)
    lookups = Lookups(config, database, jobs)
    lookups.take_up(schedule)
    webhooks = Webhooks(config, database, metrics)
    webhooks.take_up(schedule)
    metrics.gauge("stocky_events_waiting", "Events that wait for their batch", lambda: recorder.waiting)
    metrics.gauge("stocky_events_recorded", "Events recorded by this process", lambda: recorder.recorded)
    metrics.gauge("stocky_batches_written", "Transactions they were recorded in", lambda: recorder.batches)

    metrics.gauge("stocky_live_streams", "Live streams that are open", lambda: streams.count)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        await database.open()
        try:
            async with database.serving():
                identities.start()
                recorder.start()
                tail.start()
                jobs.start()
                schedule.start()
                webhooks.start()
                try:
                    yield
                finally:
                    await schedule.close()
                    await webhooks.close()
                    await jobs.close()
                    await lookups.close()
                    await recorder.close()
                    await tail.close()
                    await identities.close()
        finally:
            await database.close()

    def with_edge(app: ASGIApp) -> ASGIApp:
        return Edge(app, metrics, database.gate)

    app = Litestar(
        route_handlers=[
            api_routes,
            *health_routes,
            show_document,
            docs_routes,
        ],
        dependencies={
            "read": Provide(_read),
            "tx": Provide(_transaction),
            "user": Provide(_user),
            "recorder": Provide(_recorder),
            "backups": Provide(_backups),
            "documents": Provide(_documents),
            "reorganisation": Provide(_reorganisation),
            "imports": Provide(_imports),
            "webhooks": Provide(_webhooks),
        },
        before_request=_admit,
        exception_handlers={Exception: to_problem},
        cors_config=_cors(config),
        lifespan=[lifespan],
        # Set up by whoever runs the application; Litestar's own would put itself in front.
        logging_config=None,
        openapi_config=openapi_config(),
        request_class=StockyRequest,
        request_max_body_size=MAX_BODY_BYTES,
        state=State(
            {
                "config": config,
                "database": database,
                "recorder": recorder,
                "identities": identities,
                "metrics": metrics,
                "jobs": jobs,
                "schedule": schedule,
                "lookups": lookups,
                "backups": backups,
                "documents": documents,
                "reorganisation": Reorganisation(database, jobs, recorder),
                "imports": imports,
                "webhooks": webhooks,
                "memory_log": memory_log or MemoryLog(config.max_log_entries),
                "search_index": search_index,
                "kept_answers": KeptAnswers(database),
                "readiness": Readiness(database, config),
                "streams": streams,
                "tail": tail,
            },
            deep_copy=False,
        ),
    )
    app.asgi_handler = with_edge(app.asgi_handler)
    return app


async def _admit(request: Request[Any, Any, Any]) -> None:
    """What every request has to pass before its handler."""
    restore_slashes(request.scope)
    refuse_nul(request)
    await authorize(request)
    require_json(request)


async def _read(state: State) -> AsyncIterator[Connection]:
    """A connection that only reads, for the length of the handler."""
    database: Database = state.database
    async with database.read() as connection:
        yield connection


async def _transaction(state: State) -> AsyncIterator[Connection]:
    """A transaction around the handler: committed before the answer leaves, rolled back by any exception."""
    database: Database = state.database
    async with database.transaction() as connection:
        yield connection


async def _user(request: StockyRequest) -> Principal:
    """Who the route's guard found behind the request."""
    return request.user


async def _recorder(state: State) -> Recorder:
    recorder: Recorder = state.recorder
    return recorder


async def _backups(state: State) -> BackupAdministration:
    """What the routes under `/backup` and `/system` are given."""
    backups: BackupAdministration = state.backups
    return backups


async def _documents(state: State) -> Documents:
    """What the routes under `/documents` are given."""
    documents: Documents = state.documents
    return documents


async def _reorganisation(state: State) -> Reorganisation:
    """What the routes under `/reorg` are given."""
    reorganisation: Reorganisation = state.reorganisation
    return reorganisation


async def _imports(state: State) -> Imports:
    """What the routes under `/imports` are given."""
    imports: Imports = state.imports
    return imports


async def _webhooks(state: State) -> Webhooks:
    """What the routes under `/webhooks` are given."""
    webhooks: Webhooks = state.webhooks
    return webhooks


def _cors(config: Config) -> CORSConfig | None:
    if not config.allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(config.allowed_origins),
        allow_methods=_METHODS,
        allow_headers=["Authorization", "Content-Type", "If-Match", "X-API-Key", "X-Request-ID"],
        allow_credentials=True,
        expose_headers=["X-Request-ID", "Retry-After"],
    )

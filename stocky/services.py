"""The services behind the routes: created from the settings, started in order and closed in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from stocky.alerts.evaluate import DailyCheck
from stocky.assistance.service import Assistance
from stocky.auth.first_start import FirstStart
from stocky.auth.identity import Identities
from stocky.backup.admin_service import BackupAdministration
from stocky.backup.encryption.confirmation import PassphraseConfirmation
from stocky.backup.offsite.upkeep import OffsiteUpkeep
from stocky.backup.rescue import Rescue
from stocky.backup.schedule import BackupUpkeep
from stocky.catalogue.item_pages import ItemPages
from stocky.catalogue.version_bumps import VersionBumps
from stocky.clock import local_zone, use_zone
from stocky.config import Config
from stocky.db import make_database
from stocky.documents.garbage_collector import GarbageCollector
from stocky.documents.service import Documents
from stocky.exports.service import Exports
from stocky.http.response_cache import ResponseCache
from stocky.http.sse import Streams
from stocky.imports.service import Imports
from stocky.jobs.jobs import Jobs
from stocky.jobs.schedule import Schedule
from stocky.live.tail import LedgerTail
from stocky.logs.memory import MemoryLog
from stocky.lookup.service import Lookups
from stocky.merging.service import Merging
from stocky.metrics import Metrics
from stocky.monitoring.clock_watch import ClockWatch
from stocky.monitoring.figures import Figures
from stocky.monitoring.readiness import Readiness
from stocky.monitoring.storage import Storage
from stocky.mqtt.service import Mqtt
from stocky.notices.service import Notices
from stocky.prices.summary import StockValues
from stocky.reorganisation.service import Reorganisation
from stocky.search.index import LOOK_SECONDS, SearchIndex
from stocky.stock.activity import Activity
from stocky.stock.recorder import Recorder
from stocky.telemetry.service import Telemetry
from stocky.webhooks.service import Webhooks


class Services:
    """All services by name; the application's state has them under the same names."""

    def __init__(self, config: Config, memory_log: MemoryLog | None = None) -> None:
        """`memory_log` is what `/logs` shows; the database must be migrated, and is opened by `running`."""
        self.config = config
        self.memory_log = memory_log or MemoryLog(config.max_log_entries)
        self.metrics = Metrics()
        self.database = make_database(config, is_server=True)
        self.telemetry = Telemetry(config.otlp_endpoint, self.metrics) if config.otlp_endpoint else None
        self.readiness = Readiness(self.database, config)
        self.identities = Identities(self.database, config)
        self.first_start = FirstStart(self.database, self.identities)
        self.recorder = Recorder(self.database)
        self.recorder.on_batch = self.telemetry.batch if self.telemetry else None
        self.measure_rules = self.recorder.measure_rules
        self.tail = LedgerTail(self.database)
        self.streams = Streams()
        self.response_cache = ResponseCache(self.database)
        self.item_pages = ItemPages(self.database)
        self.stock_values = StockValues(self.database)
        self.jobs = Jobs(self.database)
        self.zone, self.timezone = local_zone(config.timezone)
        use_zone(self.zone)
        self.schedule = Schedule(self.jobs, self.zone)
        self.activity = Activity(self.database, self.zone)
        self.backups = BackupAdministration(config, self.database, self.jobs)
        self.offsite = OffsiteUpkeep(self.backups.offsite, self.database, self.jobs, self.metrics)
        self.passphrase_confirmation = PassphraseConfirmation(config, self.database)
        self.storage = Storage(config)
        self.figures = Figures(self.database)
        self.rescue = Rescue(config, self.database)
        self.documents = Documents(config, self.database)
        self.assistance = Assistance(config, self.database, self.jobs, self.documents)
        self.merging = Merging(self.database, self.recorder)
        self.reorganisation = Reorganisation(config, self.database, self.jobs, self.recorder)
        self.exports = Exports(config, self.database)
        self.imports = Imports(config, self.database, self.recorder, self.jobs)
        self.search_index = SearchIndex(self.database)
        self.lookups = Lookups(config, self.database, self.jobs)
        self.webhooks = Webhooks(config, self.database, self.metrics)
        self.notices = Notices(
            config, self.database, self.jobs, self.backups.backups, self.storage, self.metrics, self.zone
        )
        self.mqtt = config.mqtt and Mqtt(
            config.mqtt, config.base_path, self.database, self.recorder, self.identities, self.backups.backups
        )
        self.supervisor = self.database.supervisor
        self._register_tasks()
        self._register_metrics()

    def _register_tasks(self) -> None:
        """Registers the background tasks and their schedules."""
        # First, so that no other task waits for a time set by a clock that was wrong.
        self.clock_watch = ClockWatch(self.database, self.backups.backups.store)
        self.clock_watch.register_tasks(self.schedule)
        VersionBumps(self.database, self.jobs)
        DailyCheck(self.database, self.jobs).register_tasks(self.schedule)
        BackupUpkeep(self.config, self.database, self.backups.backups, self.jobs, self.metrics).register_tasks(
            self.schedule
        )
        self.offsite.register_tasks(self.schedule)
        self.passphrase_confirmation.register_tasks(self.schedule)
        GarbageCollector(self.database, self.documents.blobs, self.jobs).register_tasks(self.schedule)
        self.imports.register_tasks(self.schedule)
        # Indexing a whole stock may take long.
        self.schedule.every("search index", LOOK_SECONDS, self.search_index.sync, patience=3_600)
        self.lookups.register_tasks(self.schedule)
        self.webhooks.register_tasks(self.schedule)
        if self.mqtt:
            self.mqtt.register_tasks(self.schedule)

    def _register_metrics(self) -> None:
        gauge, counter, recorder = self.metrics.gauge, self.metrics.counter, self.recorder
        gauge("stocky_events_waiting", "Events waiting for their batch", lambda: recorder.waiting)
        counter("stocky_events_recorded", "Events recorded by this process", lambda: recorder.recorded)
        counter("stocky_batches_written", "Transactions that recorded them", lambda: recorder.batches)
        gauge("stocky_live_streams", "Open live streams", lambda: self.streams.count)
        if self.mqtt:
            self.mqtt.register_metrics(self.metrics)
        if (replica := self.database.replica) is not None:
            gauge("stocky_replica_lag_seconds", "How far the read replica is behind", lambda: replica.lag_seconds)
            counter("stocky_replica_reads", "Reads that began on the read replica", lambda: replica.served)
            counter("stocky_replica_passed_on", "Reads that the primary served instead", lambda: replica.passed_on)
        self.metrics.gauges(
            "stocky_task_stalled_seconds",
            "Seconds that a stalled background task has not worked; 0 while it works",
            "task",
            self.supervisor.stalled,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Opens the database and runs all services for the block.

        When one fails to start, those started before it are closed.
        """
        async with AsyncExitStack() as started:
            if self.telemetry:
                await self.telemetry.start()
                started.push_async_callback(self.telemetry.close)
            await self.database.open()
            started.push_async_callback(self.database.close)
            started.push_async_callback(self.rescue.close)
            await started.enter_async_context(self.database.serving())
            await self.measure_rules.read()
            for service in (
                *(self.measure_rules, self.identities, self.tail, self.recorder, self.documents),
                self.assistance,
            ):
                service.start()
                started.push_async_callback(service.close)
            started.push_async_callback(self.lookups.close)
            await self.search_index.start()
            for worker in (self.jobs, self.webhooks, self.notices, self.schedule, self.mqtt):
                if worker:
                    worker.start()
                    started.push_async_callback(worker.close)
            yield

"""What lives behind the routes: made from the settings, started in one order and closed in the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from stocky.alerts.daily_check import DailyCheck
from stocky.auth.identity import Identities
from stocky.backup.admin_service import BackupAdministration
from stocky.backup.rescue import Rescue
from stocky.backup.schedule import BackupUpkeep
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
from stocky.lookup.lookups import Lookups
from stocky.merging.service import Merging
from stocky.metrics import Metrics
from stocky.monitoring.clock_watch import ClockWatch
from stocky.monitoring.readiness import Readiness
from stocky.reorganisation.service import Reorganisation
from stocky.search.index import LOOK_SECONDS, SearchIndex
from stocky.stock.recorder import Recorder
from stocky.webhooks.service import Webhooks
from stocky.zone import local_zone


class Services:
    """Each service by its name; handlers find them in the application's state under the same one."""

    def __init__(self, config: Config, memory_log: MemoryLog | None = None) -> None:
        """`memory_log` is what `/logs` shows; the database is migrated already, and opened by `running`."""
        self.config = config
        self.memory_log = memory_log or MemoryLog(config.max_log_entries)
        self.metrics = Metrics()
        self.database = make_database(config)
        self.readiness = Readiness(self.database, config)
        self.identities = Identities(self.database, config)
        self.recorder = Recorder(self.database)
        self.tail = LedgerTail(self.database)
        self.streams = Streams()
        self.kept_answers = ResponseCache(self.database)
        self.jobs = Jobs(self.database)
        self._zone, self.timezone = local_zone(config.timezone)
        self.schedule = Schedule(self.jobs, self._zone)
        self.backups = BackupAdministration(config, self.database, self.jobs)
        self.rescue = Rescue(config, self.database)
        self.documents = Documents(config, self.database)
        self.merging = Merging(self.database, self.recorder)
        self.reorganisation = Reorganisation(config, self.database, self.jobs, self.recorder)
        self.exports = Exports(config, self.database)
        self.imports = Imports(config, self.database, self.recorder, self.jobs)
        self.search_index = SearchIndex(self.database)
        self.lookups = Lookups(config, self.database, self.jobs)
        self.webhooks = Webhooks(config, self.database, self.metrics)
        self.supervisor = self.database.supervisor
        self._take_up_work()
        self._measure()

    def _take_up_work(self) -> None:
        """Names what is done in the background, and when."""
        # First, so that nothing else that is due waits for a time of a clock that was wrong.
        self.clock_watch = ClockWatch(self.database, self.backups.backups.store)
        self.clock_watch.register_tasks(self.schedule)
        DailyCheck(self.database, self.jobs, self._zone).register_tasks(self.schedule)
        BackupUpkeep(self.config, self.database, self.backups.backups, self.jobs, self.metrics).register_tasks(
            self.schedule
        )
        GarbageCollector(self.database, self.documents.blobs, self.jobs).register_tasks(self.schedule)
        self.imports.register_tasks(self.schedule)
        # A whole stock that is put in anew takes its time.
        self.schedule.every("search index", LOOK_SECONDS, self.search_index.sync, patience=3_600)
        self.lookups.register_tasks(self.schedule)
        self.webhooks.register_tasks(self.schedule)

    def _measure(self) -> None:
        gauge, recorder = self.metrics.gauge, self.recorder
        gauge("stocky_events_waiting", "Events that wait for their batch", lambda: recorder.waiting)
        gauge("stocky_events_recorded", "Events recorded by this process", lambda: recorder.recorded)
        gauge("stocky_batches_written", "Transactions they were recorded in", lambda: recorder.batches)
        gauge("stocky_live_streams", "Live streams that are open", lambda: self.streams.count)

        self.metrics.gauges(
            "stocky_task_stalled_seconds",
            "For how long a background task has not worked; 0 while it does",
            "task",
            self.supervisor.stalled,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything at work on the open database, for the length of the block.

        Whatever fails to start, what was started before it is closed.
        """
        async with AsyncExitStack() as begun:
            await self.database.open()
            begun.push_async_callback(self.database.close)
            begun.push_async_callback(self.rescue.close)
            await begun.enter_async_context(self.database.serving())
            for service in (self.identities, self.tail, self.recorder, self.documents):
                service.start()
                begun.push_async_callback(service.close)
            begun.push_async_callback(self.lookups.close)
            for worker in (self.jobs, self.webhooks, self.schedule):
                worker.start()
                begun.push_async_callback(worker.close)
            yield

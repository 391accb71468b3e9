"""MQTT of one process: the connection, the sensors, and what monitoring shows of them.

Of several processes on one database, one holds the connection; another takes it when that one ends.
"""

from __future__ import annotations

import asyncio
import logging
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

from stocky.alerts.repository import raise_service_alert, resolve_service_alerts
from stocky.alerts.schemas import ServiceAlert
from stocky.auth.identity import Identities
from stocky.backup.service import Backups
from stocky.db import Database, SoleLock
from stocky.jobs.schedule import Schedule
from stocky.metrics import Metrics
from stocky.mqtt.counts import ScanCounts
from stocky.mqtt.sensors import Topics, is_of_item, read_sensors
from stocky.mqtt.settings import MqttSettings
from stocky.stock.recorder import Recorder
from stocky.supervisor import BackgroundTask, wait_for

if TYPE_CHECKING:
    from stocky.mqtt.client import Client
    from stocky.mqtt.scans import Scans

NEEDS_AIOMQTT = (
    "MQTT is off although STOCKY_MQTT_URL is set: it needs aiomqtt, which is not installed; run 'pip install aiomqtt'"
)
# How long a connection lasts before the next one may be tried at once.
STABLE_SECONDS = 10.0
# The longest pause between two attempts to connect, and the pause of a process while another has the connection.
RETRY_SECONDS = 30.0
STANDBY_SECONDS = 5.0
# Changes within this time are published together.
TOGETHER_SECONDS = 1.0
# How often the sensors are read without a change of the ledger, as after a backup.
LOOK_SECONDS = 30.0
# How often all sensors are published, whether they have changed or not.
REFRESH_SECONDS = 300.0
# How long there is no connection before an alert is raised, and how often that is checked.
ALERT_SECONDS = 300.0
CHECK_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Mqtt:
    """The connection to the broker, and what is published without being asked for."""

    def __init__(
        self,
        settings: MqttSettings,
        base_path: str,
        database: Database,
        recorder: Recorder,
        identities: Identities,
        backups: Backups,
    ) -> None:
        self._settings = settings
        self._base_path = base_path
        self._database = database
        self._recorder = recorder
        self._identities = identities
        self._backups = backups
        self._topics = Topics(settings)
        self.counts = ScanCounts()
        self._scans: Scans | None = None
        self._client: Client | None = None
        self._is_standby = False
        self._lost_at = time.monotonic()
        # Whether an alert is active; None while that is unknown.
        self._has_alert: bool | None = None
        self._tasks: list[BackgroundTask] = []
        # What this connection has published, when all of it was, and the sensors that the broker knows.
        self._published: dict[str, str] = {}
        self._refreshed_at = 0.0
        self._configured: set[str] = set()
        self._changed = asyncio.Event()
        database.on_commit(self._changed.set)

    def register_tasks(self, schedule: Schedule) -> None:
        """Registers the check for alerts."""
        schedule.every("mqtt alert", CHECK_SECONDS, self._look)

    def register_metrics(self, metrics: Metrics) -> None:
        """Registers whether it is connected, and the counts of this process."""
        metrics.gauge(
            "stocky_mqtt_connected",
            "Whether this process is connected to the MQTT broker, which one of several is",
            lambda: self._client is not None,
        )
        counts = self.counts
        metrics.gauge(
            "stocky_mqtt_scans_in_flight", "Scans over MQTT that wait for their result", lambda: counts.in_flight
        )
        for name, meaning, read in (
            ("answered", "Scans over MQTT that were recorded or answered", lambda: counts.answered),
            ("refused", "Scans over MQTT that were answered with a problem", lambda: counts.refused),
            ("dropped", "Messages over MQTT that were no scans, or too many with QoS 0", lambda: counts.dropped),
        ):
            metrics.counter(f"stocky_mqtt_scans_{name}", meaning, read)
        metrics.counter(
            "stocky_mqtt_unpublished",
            "Results and sensors that the MQTT broker refused to publish",
            lambda: counts.unpublished,
        )

    @property
    def state(self) -> str:
        """Whether it is connected, and else the reason, for readiness."""
        if self._client is not None:
            return "connected" + self._refusal
        if self._scans is None:
            return NEEDS_AIOMQTT
        if self._is_standby:
            return "another process is connected"
        return f"not connected: {self._reason}{self._refusal}"

    def start(self) -> None:
        """Starts to connect. The database is open, and identities and recorder have started."""
        if find_spec("aiomqtt") is None:
            _log.error("%s", NEEDS_AIOMQTT)
            return
        from stocky.mqtt.scans import Scans

        self._scans = Scans(
            self._settings, self._database, self._recorder, self._identities, self._base_path, self.counts
        )
        task = self._database.supervisor.task
        self._tasks = [
            task(
                "mqtt",
                self._connect,
                lambda: asyncio.sleep(STANDBY_SECONDS),
                retry_seconds=RETRY_SECONDS,
                is_endless=True,
            ),
            task("mqtt sensors", self._publish_sensors, self._wait_for_change),
        ]
        for each in self._tasks:
            each.start()

    async def close(self) -> None:
        """Ends the connection; what was not acknowledged, the broker sends again."""
        for each in reversed(self._tasks):
            await each.close()

    @property
    def _refusal(self) -> str:
        refusal = self.counts.refusal
        return f"; the broker refuses what Stocky publishes ({refusal}), check its access rules" if refusal else ""

    @property
    def _reason(self) -> str:
        return (self._tasks[0].error if self._tasks else None) or "it has not been tried yet"

    async def _connect(self) -> None:
        """One round: a connection from its begin to its end, or nothing while another process has it.

        Raises Unavailable, KeyRefused, and Forbidden for a subscription that the broker does not allow.
        """
        from stocky.mqtt.client import to_stocky_error

        try:
            async with self._database.try_sole_lock(SoleLock.MQTT) as watch_lock:
                self._is_standby = watch_lock is None
                if watch_lock is not None:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(watch_lock())
                        group.create_task(self._converse())
        except Exception as error:
            self._is_standby = False
            raise to_stocky_error(error, self._settings.client_id) from error

    async def _converse(self) -> None:
        from stocky.mqtt.client import ONLINE, connected, subscribe

        assert self._scans is not None
        # Before any scan is taken, which could only wait.
        await self._scans.principal()
        async with connected(self._settings, self._topics.status, self.counts) as client:
            await client.publish(self._topics.status, ONLINE, qos=1, retain=True)
            if self._topics.configurations is not None:
                await subscribe(client, self._topics.configurations, qos=0, with_retained=True)
            await subscribe(client, f"{self._scans.topic}+", qos=1, with_retained=False)
            self._begin(client)
            try:
                await self._take_messages(client, self._scans)
            finally:
                self._client = None
                self._lost_at = time.monotonic()

    async def _take_messages(self, client: Client, scans: Scans) -> None:
        from stocky.mqtt.scans import ScanSession

        async with asyncio.TaskGroup() as group:
            group.create_task(self._count_as_working(client))
            session = ScanSession(scans, client, group)
            async for message in client.messages:
                sensor = self._topics.configured(str(message.topic))
                if sensor is None:
                    session.take(message)
                elif message.payload and is_of_item(sensor):
                    self._configured.add(sensor)
                    self._changed.set()

    def _begin(self, client: Client) -> None:
        self._client = client
        self._published.clear()
        self._configured.clear()
        self._changed.set()
        _log.info("Connected to the MQTT broker %s", self._settings.broker.name)

    async def _count_as_working(self, client: Client) -> None:
        # Where two clients have the same id, each connection ends at once, and the pauses must grow.
        await asyncio.sleep(STABLE_SECONDS)
        self._tasks[0].worked()
        if not client.was_refused:
            self.counts.refusal = None

    async def _publish_sensors(self) -> None:
        """One round: publishes what has changed. Without a connection there is nothing to do."""
        client = self._client
        if client is None:
            return
        now = time.monotonic()
        if now - self._refreshed_at > REFRESH_SECONDS:
            self._published.clear()
        if not self._published:
            self._refreshed_at = now
        sensors = await read_sensors(self._database, self._backups, self._settings.tag)
        messages = self._topics.messages(sensors)
        names = {each.name for each in sensors}
        former = self._configured - names
        for name in former:
            messages |= {topic: "" for topic in (self._topics.configuration(name), self._topics.state(name)) if topic}
        changed = {topic: text for topic, text in messages.items() if self._published.get(topic) != text}
        from aiomqtt import MqttError

        try:
            for topic, text in changed.items():
                await client.publish(topic, text, qos=1, retain=True)
                self._published[topic] = text
        except MqttError:
            # The connection is lost, which its own task reports.
            return
        self._configured = (self._configured - former) | names

    async def _wait_for_change(self) -> None:
        await wait_for(self._changed, LOOK_SECONDS)
        await asyncio.sleep(TOGETHER_SECONDS)
        self._changed.clear()

    async def _look(self) -> None:
        """Raises an alert when there has been no connection for long, and resolves it when there is one again."""
        is_lost = self._client is None and not self._is_standby
        if is_lost and time.monotonic() - self._lost_at < ALERT_SECONDS:
            return
        if is_lost == self._has_alert or (self._is_standby and not self._has_alert):
            return
        async with self._database.transaction() as tx:
            if is_lost:
                await raise_service_alert(tx, ServiceAlert.MQTT_DISCONNECTED, f"MQTT is {self.state}")
            else:
                await resolve_service_alerts(tx, ServiceAlert.MQTT_DISCONNECTED)
        self._has_alert = is_lost

"""Scans over MQTT: each is acknowledged only after its event is committed and the broker has its result.

The scans of one scanner are recorded in the order of their arrival, those of several scanners at the same time, and all
are acknowledged in the order of their arrival. An invalid scan is answered with a problem and acknowledged. One that
cannot be answered is logged and acknowledged, so that it does not end each connection. A scan that cannot be recorded
for the moment is not acknowledged: it is tried again, and sent again by the broker after a lost connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

import msgspec
from aiomqtt import Message, MqttError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from stocky.auth.guards import roles_of, scanners
from stocky.auth.identity import Identities
from stocky.auth.schemas import Principal
from stocky.db import Database
from stocky.errors import Forbidden, Invalid, OutOfSpace, StockyError, TooLarge, Unauthorized, Unavailable
from stocky.http.problems import to_message_problem
from stocky.http.request import read_json
from stocky.mqtt.client import MAX_IN_FLIGHT, Client
from stocky.mqtt.counts import ScanCounts
from stocky.mqtt.settings import MqttSettings
from stocky.scanner.commands import scan_once
from stocky.scanner.schemas import Scan, ScanAnswer, ScannerId
from stocky.stock.recorder import Recorder

# Bytes of a scan, many times the longest text that a scanner may send.
MAX_BODY = 65_536
FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 5.0
# Attempts at a scan that fails by a defect; then it is answered as over HTTP, so that it does not delay all others.
ATTEMPTS = 4
_CREATE = "create another one with 'stocky create-key mqtt --name mqtt --create'"

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
# Characters of a topic that a line of the log shows.
_SHOWN = 200


class KeyRefused(Forbidden):
    """The API key of the settings may not scan."""


class Scans:
    """Records the scans of messages, and counts them."""

    def __init__(
        self,
        settings: MqttSettings,
        database: Database,
        recorder: Recorder,
        identities: Identities,
        base_path: str,
        counts: ScanCounts,
    ) -> None:
        self.counts = counts
        self.topic = f"{settings.prefix}/scan/"
        self.result_topic = f"{settings.prefix}/result/"
        self._key = settings.api_key.encode()
        self._database = database
        self._recorder = recorder
        self._identities = identities
        self._base_path = base_path
        # The reasons why scans wait, each logged once until one is recorded again.
        self._reasons: set[str] = set()

    async def principal(self) -> Principal:
        """The user of the API key. Raises KeyRefused for one that may not scan, Unavailable."""
        try:
            principal = await self._identities.holder_of_key(self._key)
        except Unauthorized:
            raise KeyRefused(f"STOCKY_MQTT_API_KEY: the key was revoked, or has expired; {_CREATE}") from None
        if principal.user.role not in roles_of(scanners):
            raise KeyRefused(
                f"STOCKY_MQTT_API_KEY: its user has the role {principal.user.role.value}, which may not scan; {_CREATE}"
            )
        return principal

    async def answer(self, scanner_id: str, body: bytes) -> tuple[bytes, str | None]:
        """The JSON of the result, and the event_id where the scan has one. Raises KeyRefused."""
        event_id: str | None = None
        try:
            content = _read(body)
            event_id = _event_id_of(content)
            result: Any = await self._record(_to_scan(content, scanner_id))
            self.counts.answered += 1
        except KeyRefused:
            raise
        except Exception as error:  # noqa: BLE001 - becomes a problem, as over HTTP
            self.counts.refused += 1
            result = to_message_problem(error, Scan, self._base_path)
            if result.status >= 500:
                _log.error("A scan of %s over MQTT failed", scanner_id, exc_info=error)
        return _encode(result), event_id

    async def _record(self, scan: Scan) -> ScanAnswer:
        """Records a scan, and tries again while that is impossible for the moment."""
        delay, failures = FIRST_RETRY_SECONDS, 0
        while True:
            try:
                answer = await scan_once(self._database, self._recorder, scan, await self.principal())
            except (Unavailable, OutOfSpace) as error:
                self._wait_for(error.detail, None)
            except StockyError:
                raise
            except Exception as error:
                failures += 1
                if failures == ATTEMPTS:
                    raise
                self._wait_for(f"{type(error).__name__}: {error}", error)
            else:
                self._reasons.clear()
                return answer
            await asyncio.sleep(delay)
            delay = min(2 * delay, LAST_RETRY_SECONDS)

    def _wait_for(self, reason: str, error: Exception | None) -> None:
        if reason not in self._reasons:
            self._reasons.add(reason)
            _log.warning("Scans over MQTT wait and are tried again: %s", reason, exc_info=error)


class _Delivery:
    """A message that the broker sends again until it is acknowledged."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.is_answered = False


class ScanSession:
    """The scans of one connection; an error of one of its tasks ends the connection."""

    def __init__(self, scans: Scans, client: Client, group: asyncio.TaskGroup) -> None:
        self._scans = scans
        self._client = client
        self._group = group
        self._unacknowledged: deque[_Delivery] = deque()
        # The task of the last message of each scanner.
        self._last: dict[str, asyncio.Task[None]] = {}
        self._is_drop_logged = False
        self._is_skip_logged = False

    def take(self, message: Message) -> None:
        """Begins to answer a message, after those of the same scanner that came before.

        One with another topic is acknowledged: of a subscription of former settings, which the broker stores.
        """
        topic = str(message.topic)
        delivery = _Delivery(message)
        if not topic.startswith(self._scans.topic):
            delivery.is_answered = True
            self._expect(delivery)
            return
        # The broker limits only what it sends until it is acknowledged.
        if message.qos == 0 and self._scans.counts.in_flight >= MAX_IN_FLIGHT:
            self._scans.counts.dropped += 1
            if not self._is_drop_logged:
                self._is_drop_logged = True
                _log.warning("Scans with QoS 0 were dropped, because too many came at once; publish scans with QoS 1")
            return
        self._expect(delivery)
        scanner_id = topic.removeprefix(self._scans.topic)
        self._scans.counts.in_flight += 1
        task = self._group.create_task(self._answer(delivery, scanner_id, self._last.get(scanner_id)))
        self._last[scanner_id] = task
        task.add_done_callback(lambda done: self._ended(scanner_id, done))

    async def _answer(self, delivery: _Delivery, scanner_id: str, previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await asyncio.wait([previous])
        if _is_scanner_id(scanner_id):
            await self._record(delivery.message, scanner_id)
        else:
            self._skip(delivery.message)
        delivery.is_answered = True
        self._acknowledge()

    def _expect(self, delivery: _Delivery) -> None:
        if delivery.message.qos:
            self._unacknowledged.append(delivery)
            self._acknowledge()

    def _acknowledge(self) -> None:
        """All that are answered, up to the first that is not."""
        while self._unacknowledged and self._unacknowledged[0].is_answered:
            self._client.acknowledge(self._unacknowledged.popleft().message)

    async def _record(self, message: Message, scanner_id: str) -> None:
        try:
            result, event_id = await self._scans.answer(scanner_id, bytes(message.payload))
            await self._client.publish(
                f"{self._scans.result_topic}{scanner_id}", result, qos=1, properties=_properties(message, event_id)
            )
        except (MqttError, KeyRefused):
            raise
        except Exception:  # noqa: BLE001 - a defect with one message
            # The connection is not lost, and the same message would end each one that follows.
            _log.exception("The result of a scan of %s over MQTT could not be published", scanner_id)

    def _skip(self, message: Message) -> None:
        self._scans.counts.dropped += 1
        if not self._is_skip_logged:
            self._is_skip_logged = True
            _log.warning(
                "A message to the MQTT topic %s... is no scan, because its scanner id is not valid; use 1 to 128"
                " characters without spaces at the ends",
                ascii(str(message.topic)[:_SHOWN]),
            )

    def _ended(self, scanner_id: str, task: asyncio.Task[None]) -> None:
        self._scans.counts.in_flight -= 1
        if self._last.get(scanner_id) is task:
            del self._last[scanner_id]


def _is_scanner_id(text: str) -> bool:
    try:
        msgspec.convert(text, ScannerId)
    except msgspec.ValidationError:
        return False
    return True


def _read(body: bytes) -> Any:
    """The decoded body. Raises TooLarge, Invalid, and msgspec.DecodeError."""
    if len(body) > MAX_BODY:
        raise TooLarge(f"The scan is larger than the limit of {MAX_BODY // 1024} KiB")
    if not body:
        raise Invalid("body: is missing; send a JSON document", field="body")
    return read_json(body)


def _event_id_of(content: Any) -> str | None:
    event_id = content.get("event_id") if isinstance(content, dict) else None
    return event_id if isinstance(event_id, str) else None


def _to_scan(content: Any, scanner_id: str) -> Scan:
    """The scan. Raises Invalid, and msgspec.ValidationError as the route does."""
    if isinstance(content, dict):
        if content.get("scanner_id") not in (None, scanner_id):
            raise Invalid(f"scanner_id: must be {scanner_id!r} as in the topic, or absent", field="scanner_id")
        content = content | {"scanner_id": scanner_id}
    scan = msgspec.convert(content, Scan, strict=False)
    if scan.event_id is None:
        raise Invalid(
            "event_id: is required over MQTT, where a scan may be delivered twice; send a new UUID with each scan",
            field="event_id",
        )
    return scan


def _properties(message: Message, event_id: str | None) -> Properties:
    """What tells a client which of its scans a result is for, beside the order."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    # A broker refuses control characters in properties and ends the connection.
    if event_id is not None and event_id.isprintable():
        properties.UserProperty = [("event_id", event_id)]
    correlation = getattr(message.properties, "CorrelationData", None)
    if correlation is not None:
        properties.CorrelationData = correlation
    return properties

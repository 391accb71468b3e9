"""The connection to the broker: MQTT 5, with a session that the broker stores; it sends again what is not acknowledged.

Nothing is acknowledged before `Client.acknowledge`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import aiomqtt
import paho.mqtt.client as mqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from stocky.errors import Forbidden, Unavailable
from stocky.mqtt.counts import ScanCounts
from stocky.mqtt.settings import MqttSettings, tls_context

T = TypeVar("T")

# Scans that the broker sends before the first of them is acknowledged.
MAX_IN_FLIGHT = 100
# Bytes of a packet; the broker discards a larger one, as Stocky may hold many while scans wait. It is above the largest
# scan, so that one somewhat too large gets its problem. A scan has about two hundred.
MAX_PACKET = 2**17
# How long the broker stores scans for a Stocky that is away.
SESSION_SECONDS = 30 * 24 * 3600
# To connect, and for each answer of the broker.
TIMEOUT_SECONDS = 5.0
KEEPALIVE_SECONDS = 15
# MQTT 5: not authorised, bad user name or password, banned; MQTT 3.1.1 has 4 and 5 for the first two.
_REFUSED = frozenset({4, 5, 134, 135, 138})
_UNSUPPORTED = frozenset({1, 132})
_FIRST_ERROR = 128
ONLINE, OFFLINE = "online", "offline"

_log = logging.getLogger(__name__)


class Client(aiomqtt.Client):
    """aiomqtt's client, with the manual acknowledgement of paho-mqtt below it, which aiomqtt does not offer."""

    def __init__(self, settings: MqttSettings, will: aiomqtt.Will, counts: ScanCounts) -> None:
        self._counts = counts
        # Whether the broker refused to publish a message of this connection.
        self.was_refused = False
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_SECONDS
        properties.ReceiveMaximum = MAX_IN_FLIGHT
        properties.MaximumPacketSize = MAX_PACKET
        broker = settings.broker
        super().__init__(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=settings.client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=properties,
            keepalive=KEEPALIVE_SECONDS,
            timeout=TIMEOUT_SECONDS,
            tls_context=tls_context(settings),
            will=will,
            logger=_log,
        )
        # Each scan in flight may publish its result at once; aiomqtt warns from ten on.
        self.pending_calls_threshold = 2 * MAX_IN_FLIGHT
        self._client.manual_ack_set(True)
        self._client.connect_timeout = TIMEOUT_SECONDS

    def acknowledge(self, message: aiomqtt.Message) -> None:
        """Tells the broker that a message need not be sent again. No-op on a lost connection."""
        self._client.ack(message.mid, message.qos)

    def _on_publish(
        self, client: mqtt.Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        """As aiomqtt's, which ignores the reason code."""
        if reason_code.value >= _FIRST_ERROR:
            self._counts.unpublished += 1
            self.was_refused = True
            if self._counts.refusal is None:
                self._counts.refusal = str(reason_code)
                _log.warning(
                    "The MQTT broker refuses what Stocky publishes (%s); check its access rules and its limits."
                    " Scans are recorded, but their results may be lost",
                    self._counts.refusal,
                )
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def abandon(self) -> None:
        """Closes the socket where aiomqtt leaves it open: a connection was not accepted, or reading from it failed."""
        self._client.disconnect()

    async def leave(self) -> None:
        """Ends the connection. No-op where it is lost."""
        with suppress(aiomqtt.MqttError):
            await self.__aexit__(None, None, None)
        self.abandon()
        if self._disconnected.done():
            # Looked at, so that asyncio does not log it.
            self._disconnected.exception()

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109 - as aiomqtt calls it
        """In place of aiomqtt's, whose asyncio.wait_for swallows some cancellations before Python 3.12."""
        try:
            async with asyncio.timeout(self.timeout if timeout is None else timeout):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("no answer in time") from None


@asynccontextmanager
async def connected(settings: MqttSettings, status_topic: str, counts: ScanCounts) -> AsyncIterator[Client]:
    """A connection for the block; `status_topic` says whether there is one. Raises MqttError."""
    client = Client(settings, aiomqtt.Will(status_topic, OFFLINE, qos=1, retain=True), counts)
    await _enter(client)
    try:
        yield client
    finally:
        # What Stocky has not acknowledged, the broker sends again.
        # The broker publishes the will only after a lost connection.
        with suppress(aiomqtt.MqttError):
            await client.publish(status_topic, OFFLINE, qos=1, retain=True)
        await client.leave()


async def subscribe(client: Client, topic: str, *, qos: int, with_retained: bool) -> None:
    """Raises Forbidden when the broker does not allow it, and MqttError."""
    retained = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if with_retained else SubscribeOptions.RETAIN_DO_NOT_SEND
    options = SubscribeOptions(qos=qos, noLocal=True, retainHandling=retained)
    codes = await client.subscribe(topic, options=options)
    if any(_number(code) >= _FIRST_ERROR for code in codes):
        raise Forbidden(f"The MQTT broker does not allow Stocky to subscribe to {topic}; allow it in its access rules")


def to_stocky_error(errors: BaseException, client_id: str) -> BaseException:
    """The first of these errors; one of the connection as Unavailable, without the broker's address."""
    error = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return Unavailable(_describe(error, client_id)) if isinstance(error, aiomqtt.MqttError) else error


async def _enter(client: Client) -> None:
    # A thread connects: it must have ended before this coroutine does.
    entering = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(entering)
    except BaseException:
        await asyncio.wait([entering])
        if not entering.cancelled():
            entering.exception()
        client.abandon()
        raise


def _describe(error: aiomqtt.MqttError, client_id: str) -> str:
    """What is wrong with the connection, and what to do."""
    if isinstance(error.__cause__, aiomqtt.MqttError):
        # Why the connection ended, for an error that only says that it did.
        error = error.__cause__
    if not isinstance(error, aiomqtt.MqttCodeError):
        # Without the broker's name: readiness, which shows the reason, is public.
        reason = str(error).partition(", certificate is not valid for")[0]
        return f"The MQTT broker cannot be reached ({reason}); check that it runs, and STOCKY_MQTT_URL"
    code = _number(error.rc)
    if not isinstance(error, MqttConnectError):
        # Mosquitto does not always say that another client has taken over the session.
        return (
            f"The connection to the MQTT broker was lost ({error}); if this repeats, check that no other client uses"
            f" the client id {client_id}, which is made of STOCKY_MQTT_PREFIX"
        )
    if code in _REFUSED:
        return "The MQTT broker refuses the user or the password; check STOCKY_MQTT_URL"
    if code in _UNSUPPORTED:
        return "The MQTT broker does not support MQTT 5; use one that does, such as Mosquitto 2"
    return f"The MQTT broker refuses the connection ({error})"


def _number(code: ReasonCode | int | None) -> int:
    return code.value if isinstance(code, ReasonCode) else code or 0

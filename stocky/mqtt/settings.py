"""The settings of MQTT, and how their texts are read; a message of an error never holds the password or the key."""

from __future__ import annotations

import hashlib
import re
import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from stocky.environment import EnvironmentReader

# The value of STOCKY_MQTT_DISCOVERY_PREFIX that turns discovery off.
OFF = "off"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
# Levels that need no escaping in topics, client ids and addresses.
_TOPIC = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_LONGEST_TOPIC = 100
_API_KEY = re.compile(r"stk_[A-Za-z0-9]+_[\x21-\x7e]+")


class Broker(Struct, frozen=True):
    """The address of a broker."""

    host: str
    port: int
    is_tls: bool
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Broker({self.name!r})"

    @property
    def name(self) -> str:
        """Host and port, for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class MqttSettings(Struct, frozen=True, kw_only=True):
    """All settings of MQTT; `api_key` is never shown."""

    broker: Broker
    api_key: str
    prefix: str = "stocky"
    # Empty: no discovery.
    discovery_prefix: str = "homeassistant"
    # The tag of the items that have a sensor; empty for none.
    tag: str = ""
    # The certificates of authorities, in PEM; None for those of this machine.
    ca: Path | None = None

    def __repr__(self) -> str:
        return f"MqttSettings(broker={self.broker!r}, prefix={self.prefix!r})"

    @property
    def client_id(self) -> str:
        """Always the same, since the broker stores the session of this client."""
        return self._as_name(self.prefix.replace("/", "-"))

    @property
    def node(self) -> str:
        """The name of this Stocky in Home Assistant's discovery, which allows letters, digits, _ and -."""
        return self._as_name(re.sub(r"[^A-Za-z0-9_-]", "_", self.prefix))

    def _as_name(self, text: str) -> str:
        """A name made of the prefix; with a hash of it where characters were replaced, as two prefixes may be alike."""
        if text == self.prefix:
            return text
        return f"{text}-{hashlib.blake2b(self.prefix.encode(), digest_size=4).hexdigest()}"


def read_broker(text: str) -> Broker:
    """Raises ValueError for a text that is not the address of a broker."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(_wrong_address()) from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ValueError(_wrong_address())
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("has a path or a query, which a broker's address does not have")
    if parts.password is not None and not parts.username:
        raise ValueError("has a password without a user")
    return Broker(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        is_tls=parts.scheme == "mqtts",
        username=unquote(parts.username) if parts.username else None,
        password=None if parts.password is None else unquote(parts.password),
    )


def read_prefix(text: str) -> str:
    """Raises ValueError for a text that cannot begin a topic."""
    if len(text) > _LONGEST_TOPIC or not _TOPIC.fullmatch(text):
        raise ValueError(
            f"{text[:_LONGEST_TOPIC]!r} is not a topic like stocky or home/stocky: letters, digits and _ . - in levels"
            f" between slashes, at most {_LONGEST_TOPIC} characters"
        )
    return text


def read_api_key(text: str) -> str:
    """Raises ValueError for a text that is not an API key."""
    if not _API_KEY.fullmatch(text):
        raise ValueError("this is not an API key of Stocky, which begins with stk_")
    return text


def _wrong_address() -> str:
    return (
        "this is not an address like mqtt://user:password@broker.example.org:1883, or mqtts:// for TLS; percent-encode"
        " special characters of the password (@ is %40)"
    )


def tls_context(settings: MqttSettings) -> ssl.SSLContext | None:
    """None without TLS. Raises ValueError for a file of authorities that cannot be used."""
    if not settings.broker.is_tls:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca)
    except ssl.SSLError:
        raise ValueError(
            f"{settings.ca} is not a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"
        ) from None
    except OSError as error:
        raise ValueError(f"{settings.ca} cannot be read ({error.strerror})") from error


def read_settings(reader: EnvironmentReader) -> MqttSettings | None:
    """The settings of MQTT; None without a broker, or with a problem."""
    url = reader.text("STOCKY_MQTT_URL", "", secret=True)
    api_key = reader.text("STOCKY_MQTT_API_KEY", "", secret=True)
    prefix = reader.text("STOCKY_MQTT_PREFIX", "stocky")
    discovery_prefix = reader.text("STOCKY_MQTT_DISCOVERY_PREFIX", "homeassistant")
    tag = reader.text("STOCKY_MQTT_TAG", "")
    ca = reader.path("STOCKY_MQTT_CA")
    if not url:
        return None
    problems = len(reader.problems)
    broker = reader.parsed("STOCKY_MQTT_URL", read_broker, url)
    if api_key:
        reader.parsed("STOCKY_MQTT_API_KEY", read_api_key, api_key)
    else:
        reader.problems.append(
            "STOCKY_MQTT_API_KEY: is needed with STOCKY_MQTT_URL; create one with 'stocky create-key mqtt --name mqtt"
            " --create'"
        )
    reader.parsed("STOCKY_MQTT_PREFIX", read_prefix, prefix)
    if discovery_prefix.lower() == OFF:
        discovery_prefix = ""
    else:
        reader.parsed("STOCKY_MQTT_DISCOVERY_PREFIX", read_prefix, discovery_prefix)
    if ca is not None and broker is not None and not broker.is_tls:
        reader.problems.append("STOCKY_MQTT_CA: goes with an address STOCKY_MQTT_URL that begins with mqtts://")
    if broker is None or len(reader.problems) > problems:
        return None
    return MqttSettings(
        broker=broker, api_key=api_key, prefix=prefix, discovery_prefix=discovery_prefix, tag=tag, ca=ca
    )

"""The settings, read from the environment once, at start; all problems are reported together, by name."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from stocky import database_address
from stocky.assistance.settings import AssistanceSettings
from stocky.assistance.settings import read_settings as read_assistance
from stocky.backup.encryption.settings import EncryptionSettings
from stocky.backup.encryption.settings import read_settings as read_encryption
from stocky.clock import find_zone
from stocky.database_address import PostgresAddress
from stocky.disk import why_not_writable
from stocky.environment import EnvironmentReader, absolute_path, read_origin, split_web_address
from stocky.http.base_path import read_base_path
from stocky.mqtt.settings import MqttSettings
from stocky.mqtt.settings import read_settings as read_mqtt
from stocky.secret_key import MINIMUM_SECRET, make_stored_key, read_stored_key

# Fits a thousand events with long notes; uploads have separate limits.
MAX_BODY_BYTES = 4 * 2**20
# For the checks of other settings, where that of a directory is wrong.
_NOWHERE = Path("/nonexistent")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# Between two addresses; a path may have blanks and commas.
_NEXT_ADDRESS = re.compile(r"[\s,]+(?=[a-z0-9]+://)")

_SMTP_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_SMTP_SETTINGS = (
    *("STOCKY_SMTP_PORT", "STOCKY_SMTP_SECURITY", "STOCKY_SMTP_USER", "STOCKY_SMTP_PASSWORD", "STOCKY_SMTP_FROM"),
    "STOCKY_SMTP_TIMEOUT",
)
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_SENDER = re.compile(r"[^@<>\s]+@[^@<>\s]+|[^@<>\r\n]*<[^@<>\s]+@[^@<>\s]+>")

# A bearer token as HTTP takes it.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")


class ConfigError(Exception):
    """Invalid settings; `problems` has a line for each, beginning with its name."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class BlobSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where files are stored: `url` is file:///an/absolute/path or s3://bucket/prefix; the rest is for s3 only."""

    url: str
    endpoint: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    region: str = "us-east-1"
    path_style: bool = True

    def __repr__(self) -> str:
        return f"BlobSettings(url={self.url!r})"


class OffsiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where stored backups are copied to, and how many copies of each reason stay; 0 keeps all.

    `s3` has the settings of S3 without an address, for addresses given on the command line.
    """

    destinations: tuple[BlobSettings, ...] = ()
    s3: BlobSettings = BlobSettings(url="")
    keep: int = 30


class ReplicaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A read replica on Postgres; `max_lag` is how old its data may be, in seconds."""

    url: str
    max_lag: int

    def __repr__(self) -> str:
        return f"ReplicaSettings(max_lag={self.max_lag!r})"


class MailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The mail server: `security` is how the connection is encrypted, `sender` an address, perhaps with a name."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    user: str
    password: str
    sender: str
    timeout: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def sender_address(self) -> str:
        return parseaddr(self.sender)[1]

    def __repr__(self) -> str:
        return f"MailSettings(address={self.address!r}, security={self.security!r})"


class Config(msgspec.Struct, frozen=True):
    """All settings. Paths are absolute; `secret_key` is never shown, and empty until one is made."""

    # A Postgres address is in the one form that both drivers accept, with only parameters that they know.
    database_url: str
    data_dir: Path
    backup_dir: Path
    secret_key: str
    # Empty only for databases that Stocky creates for its own use.
    blobs: BlobSettings = BlobSettings(url="")
    offsite: OffsiteSettings = OffsiteSettings()
    # None: no backup is encrypted, and no encrypted one can be opened.
    encryption: EncryptionSettings | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    max_log_entries: int = 10_000
    access_token_minutes: int = 30
    migrate_on_start: bool = True
    max_upload_mb: int = 512
    max_restore_gb: int = 50
    upc_service_url: str | None = None
    upc_service_timeout: int = 10
    webhooks_to_private: bool = False
    # None: no e-mail is sent.
    mail: MailSettings | None = None
    # Empty: no telemetry is sent.
    otlp_endpoint: str = ""
    # Empty: /metrics is public.
    metrics_token: str = ""
    # The address for sessions, where `database_url` is a pooler's.
    database_direct_url: str | None = None
    replica: ReplicaSettings | None = None
    # The name of a Postgres schema that Stocky creates for its own use.
    schema: str = ""
    uds: Path | None = None
    # Both or neither.
    tls_cert: Path | None = None
    tls_key: Path | None = None
    base_path: str = ""
    timezone: str = ""
    # A line for each variable that looks like a setting but is not one.
    unknown: tuple[str, ...] = ()
    new_database: bool = False
    # None: MQTT is off.
    mqtt: MqttSettings | None = None
    # None: assistance is off.
    assistance: AssistanceSettings | None = None

    @property
    def dialect(self) -> Literal["sqlite", "postgres"]:
        return "sqlite" if self.database_url.startswith("sqlite:") else "postgres"

    @property
    def session_url(self) -> str:
        """The address for what needs a Postgres session: migrations, locks, LISTEN, backups and restores."""
        return self.database_direct_url or self.database_url

    @property
    def sqlite_path(self) -> Path:
        """The database file. Only meaningful where `dialect` is sqlite."""
        return Path(self.database_url.removeprefix("sqlite:///"))

    def __repr__(self) -> str:
        return f"Config(dialect={self.dialect!r}, data_dir={str(self.data_dir)!r})"


def load(environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in `environ` (the process's own by default). Reads only: `with_secret_key` makes a key.

    Raises ConfigError with every problem found.
    """
    reader = EnvironmentReader(os.environ if environ is None else environ)
    data_dir = reader.path("STOCKY_DATA_DIR", "./data") or _NOWHERE
    database_url, direct_url = _database(reader, data_dir)
    names = reader.names("STOCKY_ALLOWED_ORIGINS", platform="ALLOWED_ORIGINS")
    origins = [reader.parsed("STOCKY_ALLOWED_ORIGINS", read_origin, name) for name in names]
    proxies = reader.names("STOCKY_TRUSTED_PROXIES")
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            reader.problems.append(f"STOCKY_TRUSTED_PROXIES: {proxy!r} is not an IP address or network")
    secret = reader.text("STOCKY_SECRET_KEY", "", platform="SECRET_KEY", secret=True)
    if secret and len(secret) < MINIMUM_SECRET:
        reader.problems.append(f"STOCKY_SECRET_KEY: at least {MINIMUM_SECRET} characters are needed")
    backup_dir = reader.path("STOCKY_BACKUP_DIR", str(data_dir / "backups")) or _NOWHERE
    settings: dict[str, Any] = {
        "database_url": database_url,
        "database_direct_url": direct_url,
        "replica": _replica(reader, database_url, direct_url),
        "data_dir": data_dir,
        "backup_dir": backup_dir,
        "blobs": _blobs(reader, data_dir),
        "offsite": _offsite(reader, (data_dir, backup_dir)),
        "encryption": read_encryption(reader),
        "host": reader.text("STOCKY_HOST", "127.0.0.1").strip("[]"),
        "port": reader.number("STOCKY_PORT", 8000, 0, 65535, platform="PORT"),
        "allowed_origins": tuple(origin for origin in origins if origin),
        "trusted_proxies": proxies,
        "log_level": reader.choice(
            "STOCKY_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"), platform="LOG_LEVEL"
        ),
        "log_format": reader.choice("STOCKY_LOG_FORMAT", "text", ("text", "json")),
        "max_log_entries": reader.number("STOCKY_MAX_LOG_ENTRIES", 10_000, 1, 1_000_000),
        "access_token_minutes": reader.number("STOCKY_ACCESS_TOKEN_MINUTES", 30, 1, 1440),
        "migrate_on_start": reader.choice("STOCKY_MIGRATE_ON_START", "true", ("true", "false")) == "true",
        "new_database": reader.choice("STOCKY_NEW_DATABASE", "false", ("true", "false")) == "true",
        "max_upload_mb": reader.number("STOCKY_MAX_UPLOAD_MB", 512, 1, 1_000_000),
        "max_restore_gb": reader.number("STOCKY_MAX_RESTORE_GB", 50, 1, 100_000),
        "upc_service_url": _upc_service_url(reader),
        "upc_service_timeout": reader.number("STOCKY_UPC_SERVICE_TIMEOUT", 10, 1, 300),
        "uds": reader.path("STOCKY_UDS"),
        "tls_cert": reader.path("STOCKY_TLS_CERT"),
        "tls_key": reader.path("STOCKY_TLS_KEY"),
        "base_path": reader.checked("STOCKY_BASE_PATH", read_base_path),
        "timezone": reader.checked("STOCKY_TIMEZONE", lambda name: find_zone(name).key),
        "metrics_token": _metrics_token(reader),
        "otlp_endpoint": _otlp_endpoint(reader),
        "mail": _mail(reader),
        "webhooks_to_private": reader.choice("STOCKY_WEBHOOKS_TO_PRIVATE", "false", ("true", "false")) == "true",
        "mqtt": read_mqtt(reader),
        "assistance": read_assistance(reader),
    }
    reader.problems += tls_problems(settings["tls_cert"], settings["tls_key"], settings["uds"])
    if not secret:
        try:
            secret = read_stored_key(data_dir)
        except ValueError as error:
            reader.problems.append(f"STOCKY_DATA_DIR: {error}")
    if reader.problems:
        raise ConfigError(reader.problems)
    return Config(**settings, secret_key=secret, unknown=tuple(reader.unknown()))


def tls_problems(cert: Path | None, key: Path | None, uds: Path | None) -> list[str]:
    """What is wrong with these settings together; the files are read only by the server."""
    if (cert is None) != (key is None):
        missing, given = ("STOCKY_TLS_KEY", "STOCKY_TLS_CERT") if key is None else ("STOCKY_TLS_CERT", "STOCKY_TLS_KEY")
        return [f"{missing}: is needed with {given}; both are files in PEM"]
    if cert is not None and uds is not None:
        return ["STOCKY_TLS_CERT: goes with a port only; on the unix socket STOCKY_UDS the proxy speaks TLS"]
    return []


def address_setting(address: PostgresAddress, environ: Mapping[str, str] | None = None) -> str:
    """The name of the setting that holds this database address."""
    reader = EnvironmentReader(os.environ if environ is None else environ)
    _, direct = _database(reader, Path())
    if direct is not None and database_address.parse(direct) == address:
        return "STOCKY_DATABASE_DIRECT_URL"
    if reader.given_as(name="STOCKY_DATABASE_HOST"):
        return "STOCKY_DATABASE_HOST, _PORT, _NAME, _USER and _PASSWORD"
    return reader.given_as(name="STOCKY_DATABASE_URL", platform="DATABASE_URL") or "STOCKY_DATABASE_URL"


def with_secret_key(config: Config) -> Config:
    """The config with a secret key, created in the data directory if there is none. Raises ConfigError.

    Only the server needs one, and only once there is a database: a key without a database means that it was lost.
    """
    if config.secret_key:
        return config
    try:
        return msgspec.structs.replace(config, secret_key=make_stored_key(config.data_dir))
    except ValueError as error:
        raise ConfigError([f"STOCKY_DATA_DIR: {error}"]) from error
    except OSError as error:
        why = why_not_writable(config.data_dir) or f"{config.data_dir} cannot be written ({error.strerror})"
        raise ConfigError([f"STOCKY_DATA_DIR: {why}"]) from error


def _database(reader: EnvironmentReader, data_dir: Path) -> tuple[str, str | None]:
    """The address for queries, and a separate one for sessions if given."""
    text = database_address.clean(reader.text("STOCKY_DATABASE_URL", "", platform="DATABASE_URL", secret=True))
    parts = {
        "host": reader.text("STOCKY_DATABASE_HOST", ""),
        "port": reader.text("STOCKY_DATABASE_PORT", ""),
        "name": reader.text("STOCKY_DATABASE_NAME", ""),
        "user": reader.text("STOCKY_DATABASE_USER", ""),
    }
    password = reader.text("STOCKY_DATABASE_PASSWORD", "", secret=True)
    direct = database_address.clean(reader.text("STOCKY_DATABASE_DIRECT_URL", "", secret=True))
    if any(parts.values()):
        if reader.given_as(name="STOCKY_DATABASE_URL"):
            names = ", ".join(f"STOCKY_DATABASE_{part.upper()}" for part, value in parts.items() if value)
            reader.problems.append(f"STOCKY_DATABASE_URL: set either this or {names}, not both")
        url = _database_of_parts(reader, password=password, **parts)
    else:
        url = _database_url(reader, "STOCKY_DATABASE_URL", text or f"sqlite:///{data_dir / 'stocky.db'}", password)
    if not direct:
        return url, None
    if url.startswith("sqlite:") or database_address.scheme_of(direct) not in database_address.SCHEMES:
        reader.problems.append("STOCKY_DATABASE_DIRECT_URL: goes with Postgres only; begin it with postgresql://")
        return url, None
    return url, _database_url(reader, "STOCKY_DATABASE_DIRECT_URL", direct, password)


def _replica(reader: EnvironmentReader, url: str, direct_url: str | None) -> ReplicaSettings | None:
    """The read replica of the database at `url`; None without one, or with a problem."""
    name = "STOCKY_DATABASE_READ_URL"
    text = database_address.clean(reader.text("STOCKY_DATABASE_READ_URL", "", secret=True))
    max_lag = reader.number("STOCKY_DATABASE_READ_LAG", 5, 2, 3_600)
    if not text:
        if reader.given_as("STOCKY_DATABASE_READ_LAG"):
            reader.problems.append(f"{name}: is needed with STOCKY_DATABASE_READ_LAG")
        return None
    if url.startswith("sqlite:") or database_address.scheme_of(text) not in database_address.SCHEMES:
        reader.problems.append(f"{name}: goes with Postgres only; begin it with postgresql://")
        return None
    problems = len(reader.problems)
    read_url = _database_url(reader, name, text, reader.text("STOCKY_DATABASE_PASSWORD", "", secret=True))
    if len(reader.problems) > problems or url == "postgresql:":
        return None
    replica = database_address.parse(read_url)
    for other, setting in ((url, "STOCKY_DATABASE_URL"), (direct_url, "STOCKY_DATABASE_DIRECT_URL")):
        address = database_address.parse(other) if other and other != "postgresql:" else None
        if address and address.hosts == replica.hosts and _wanted_server(address) == _wanted_server(replica):
            reader.problems.append(f"{name}: is the address of {setting}; name a standby, or leave it out")
            return None
    return ReplicaSettings(url=read_url, max_lag=max_lag)


def _wanted_server(address: PostgresAddress) -> str:
    """Which of several hosts an address means."""
    return address.parameters.get("target_session_attrs", "any")


def _database_url(reader: EnvironmentReader, name: str, text: str, password: str) -> str:
    scheme = database_address.scheme_of(text)
    rest = text.partition("://")[2]
    if scheme in ("sqlite", "sqlite+aiosqlite"):
        path = rest.removeprefix("/")
        # With two slashes a host would come first.
        if path and path != ":memory:" and rest.startswith(("/", "~")):
            file = reader.parsed(name, absolute_path, path)
            return f"sqlite:///{file}" if file else "postgresql:"
        reader.problems.append(f"{name}: name a file, as in sqlite:////srv/stocky/stocky.db")
    elif scheme in database_address.SCHEMES:
        try:
            return database_address.parse(text, password=password).url
        except ValueError as error:
            reader.problems.append(f"{name}: {error}")
    else:
        reader.problems.append(f"{name}: begin with sqlite:/// or postgresql://")
    return "postgresql:"


def _database_of_parts(reader: EnvironmentReader, *, host: str, port: str, name: str, user: str, password: str) -> str:
    if not host or not name:
        missing = "STOCKY_DATABASE_NAME" if host else "STOCKY_DATABASE_HOST"
        reader.problems.append(f"{missing}: is needed with the other parts of the address")
        return "postgresql:"
    try:
        return database_address.from_parts(host=host, port=port, name=name, user=user, password=password).url
    except ValueError as error:
        reader.problems.append(f"STOCKY_DATABASE_HOST, STOCKY_DATABASE_PORT: {error}")
        return "postgresql:"


def _blobs(reader: EnvironmentReader, data_dir: Path) -> BlobSettings:
    settings = BlobSettings(
        url=reader.text("STOCKY_BLOB_URL", f"file://{data_dir / 'documents'}"),
        endpoint=reader.text("STOCKY_S3_ENDPOINT", "").rstrip("/"),
        access_key_id=reader.text("STOCKY_S3_ACCESS_KEY_ID", "", secret=True),
        secret_access_key=reader.text("STOCKY_S3_SECRET_ACCESS_KEY", "", secret=True),
        region=reader.text("STOCKY_S3_REGION", "us-east-1"),
        path_style=reader.choice("STOCKY_S3_PATH_STYLE", "true", ("true", "false")) == "true",
    )
    try:
        settings = at_address(settings, settings.url)
    except ValueError as error:
        reader.problems.append(f"STOCKY_BLOB_URL: {error}")
        return settings
    if settings.url.startswith("s3://"):
        reader.problems += s3_problems(settings, "STOCKY_BLOB_URL", "STOCKY_S3")
    return settings


def _offsite(reader: EnvironmentReader, own: tuple[Path, ...]) -> OffsiteSettings:
    """`own` are the directories that the copies are to outlast."""
    text = reader.text("STOCKY_OFFSITE_URL", "")
    s3 = BlobSettings(
        url="",
        endpoint=reader.text("STOCKY_OFFSITE_S3_ENDPOINT", "").rstrip("/"),
        access_key_id=reader.text("STOCKY_OFFSITE_S3_ACCESS_KEY_ID", "", secret=True),
        secret_access_key=reader.text("STOCKY_OFFSITE_S3_SECRET_ACCESS_KEY", "", secret=True),
        region=reader.text("STOCKY_OFFSITE_S3_REGION", "us-east-1"),
        path_style=reader.choice("STOCKY_OFFSITE_S3_PATH_STYLE", "true", ("true", "false")) == "true",
    )
    keep = reader.number("STOCKY_OFFSITE_KEEP", 30, 0, 100_000)
    found: dict[str, BlobSettings] = {}
    for address in _NEXT_ADDRESS.split(text) if text else ():
        try:
            destination = at_address(s3, address.strip(" ,"))
            _check_outside(destination, own)
        except ValueError as error:
            reader.problems.append(f"STOCKY_OFFSITE_URL: {error}")
            continue
        if destination.url in found:
            reader.problems.append(f"STOCKY_OFFSITE_URL: {destination.url} is listed twice; remove one")
        found[destination.url] = destination
    if any(url.startswith("s3://") for url in found):
        reader.problems += s3_problems(s3, "STOCKY_OFFSITE_URL", "STOCKY_OFFSITE_S3")
    return OffsiteSettings(destinations=tuple(found.values()), s3=s3, keep=keep)


def _check_outside(destination: BlobSettings, own: tuple[Path, ...]) -> None:
    """Raises ValueError for a directory that would be lost together with what it is a copy of."""
    directory = Path(destination.url.removeprefix("file://"))
    if destination.url.startswith("file://"):
        for each in own:
            if directory.is_relative_to(each):
                raise ValueError(f"{directory} is in {each}; name a directory on another disk or a mounted share")


def at_address(settings: BlobSettings, text: str) -> BlobSettings:
    """The settings with the address `text`, made absolute. Raises ValueError for a wrong one."""
    scheme, _, rest = text.partition("://")
    # A relative path would depend on where a command is run; file://mnt/nas is a mistake for file:///mnt/nas.
    if scheme == "file" and rest.startswith(("/", "~")):
        return msgspec.structs.replace(settings, url=f"file://{absolute_path(rest)}")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ValueError("begin with file:/// and a path, or with s3:// and the bucket's name")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(
            "the name of a bucket has 3 to 63 lower-case letters, digits, dots and hyphens, and begins and ends with a"
            " letter or digit"
        )
    return msgspec.structs.replace(settings, url=f"s3://{bucket}/{prefix.strip('/')}".rstrip("/"))


def s3_problems(settings: BlobSettings, url_name: str, prefix: str) -> list[str]:
    """What is wrong with the settings of an S3 store, which begin with `prefix`."""
    problems = []
    if settings.endpoint and split_web_address(settings.endpoint) is None:
        problems.append(f"{prefix}_ENDPOINT: {settings.endpoint!r} is not an address like https://s3.example.org")
    for name, value in (
        (f"{prefix}_ACCESS_KEY_ID", settings.access_key_id),
        (f"{prefix}_SECRET_ACCESS_KEY", settings.secret_access_key),
    ):
        if not value:
            problems.append(f"{name}: is needed when {url_name} begins with s3://")
    return problems


def _mail(reader: EnvironmentReader) -> MailSettings | None:
    host = reader.text("STOCKY_SMTP_HOST", "").strip("[]")
    security = reader.choice("STOCKY_SMTP_SECURITY", "starttls", ("starttls", "tls", "none"))
    settings = MailSettings(
        host=host,
        port=reader.number("STOCKY_SMTP_PORT", _SMTP_PORTS[security], 1, 65535),
        security=cast(Literal["starttls", "tls", "none"], security),
        user=reader.text("STOCKY_SMTP_USER", ""),
        password=reader.text("STOCKY_SMTP_PASSWORD", "", secret=True),
        sender=reader.text("STOCKY_SMTP_FROM", ""),
        timeout=reader.number("STOCKY_SMTP_TIMEOUT", 20, 1, 60),
    )
    given = [name for name in _SMTP_SETTINGS if reader.given_as(name)]
    if not host:
        if given:
            reader.problems.append(f"STOCKY_SMTP_HOST: is needed with {given[0]}")
        return None
    if not _HOST.fullmatch(host):
        reader.problems.append(f"STOCKY_SMTP_HOST: {host!r} is not a host name; the port goes into STOCKY_SMTP_PORT")
    if not _SENDER.fullmatch(settings.sender) or "@" not in settings.sender_address:
        reader.problems.append(
            "STOCKY_SMTP_FROM: is needed with STOCKY_SMTP_HOST; an address like stocky@example.org or"
            " Stocky <stocky@example.org>"
        )
    if bool(settings.user) != bool(settings.password):
        missing, other = ("PASSWORD", "USER") if settings.user else ("USER", "PASSWORD")
        reader.problems.append(f"STOCKY_SMTP_{missing}: is needed with STOCKY_SMTP_{other}")
    if settings.password and security == "none":
        reader.problems.append(
            "STOCKY_SMTP_SECURITY: none would send the password unencrypted; use starttls or tls, or no password"
        )
    return settings


def _upc_service_url(reader: EnvironmentReader) -> str | None:
    text = reader.text("STOCKY_UPC_SERVICE_URL", "")
    parts = split_web_address(text)
    if text and (parts is None or parts.query or parts.fragment):
        reader.problems.append(
            "STOCKY_UPC_SERVICE_URL: this is not an address to which a barcode can be appended,"
            " like https://world.openfoodfacts.org/api/v2/product"
        )
    return text or None


def _otlp_endpoint(reader: EnvironmentReader) -> str:
    text = reader.text("STOCKY_OTLP_ENDPOINT", "").rstrip("/")
    parts = split_web_address(text)
    if text and (parts is None or parts.query or parts.fragment):
        reader.problems.append(
            "STOCKY_OTLP_ENDPOINT: this is not the address of a collector that takes OTLP over HTTP, like"
            " http://127.0.0.1:4318"
        )
        return ""
    return text


def _metrics_token(reader: EnvironmentReader) -> str:
    token = reader.text("STOCKY_METRICS_TOKEN", "", secret=True)
    if token and not _TOKEN.fullmatch(token):
        reader.problems.append("STOCKY_METRICS_TOKEN: use 16 or more letters, digits and . _ ~ + / - without blanks")
        return ""
    return token

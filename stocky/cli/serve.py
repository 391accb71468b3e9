"""`stocky serve`: runs the service until a signal stops it; a stop loses nothing."""

from __future__ import annotations

import argparse
import importlib
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from stocky.config import Config
    from stocky.progress import ProgressCallback

# How long a stopping Stocky may take.
PREDECESSOR_SECONDS = 12
# How long a thread that reads a large list may keep the interpreter from those that record scans; Python's own is 5 ms.
# While seven clients read all the time, 99 % of scans took 51 ms at most instead of 75; the number of scans a second
# without them is the same.
SWITCH_SECONDS = 0.0005
_SERVED = "Another Stocky serves this database already; only one process can serve a SQLite file"


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "serve",
        help="run the service",
        description="Runs the service until SIGTERM or Ctrl+C. Migrates first unless STOCKY_MIGRATE_ON_START is false.",
    )
    parser.add_argument("--host", help="the address to listen on (STOCKY_HOST); * is all of IPv4 and IPv6")
    parser.add_argument("--port", type=_port, help="the port to listen on (STOCKY_PORT); 0 chooses a free one")
    parser.add_argument("--tls-cert", help="a certificate in PEM with its chain: serve HTTPS (STOCKY_TLS_CERT)")
    parser.add_argument("--tls-key", help="the certificate's private key in PEM (STOCKY_TLS_KEY)")
    parser.add_argument(
        "--new-database",
        action="store_true",
        help="create an empty database even if there are signs of a lost one (STOCKY_NEW_DATABASE)",
    )
    parser.add_argument("--json", action="store_true", help="write the log as JSON (STOCKY_LOG_FORMAT)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit status. Raises ConfigError, SchemaNotCurrent, Unavailable, or OSError for a taken port."""
    import os

    import msgspec

    from stocky.config import load

    # Options are read like their settings, so that a certificate and its key may come from either.
    options = {"STOCKY_TLS_CERT": arguments.tls_cert, "STOCKY_TLS_KEY": arguments.tls_key}
    config = load(os.environ | {name: value for name, value in options.items() if value is not None})
    config = msgspec.structs.replace(
        config,
        # An empty one, of an unset variable in a script, would be every address.
        host=arguments.host.strip("[]") if arguments.host else config.host,
        port=config.port if arguments.port is None else arguments.port,
        new_database=config.new_database or arguments.new_database,
        log_format="json" if arguments.json else config.log_format,
    )
    from stocky.db.serving_lock import serving_lock
    from stocky.http.listening import listening
    from stocky.http.tls import check_tls
    from stocky.new_database import refuse_lost_database

    check_tls(config)
    _check_mqtt_ca(config)
    refuse_lost_database(config)
    _require_writable(config)
    with serving_lock(config, wait=PREDECESSOR_SECONDS, otherwise=_SERVED), listening(config) as listener:
        return _serve(config, listener)


def warn_of_network_mount(config: Config, log: logging.Logger) -> None:
    """Logs a warning when the SQLite file is on a network mount."""
    from stocky.disk import network_mount

    if config.dialect == "sqlite" and (kind := network_mount(config.sqlite_path)):
        log.warning(
            "%s is on a network mount (%s), where SQLite's locks may fail and the database can be damaged. Put it on a"
            " local disk, or use Postgres; backups may be on a network mount",
            config.sqlite_path,
            kind,
        )


def _serve(config: Config, listener: socket.socket) -> int:
    from stocky.clock import local_zone
    from stocky.logs.setup import configure_logging

    memory_log = configure_logging(config)
    log = logging.getLogger("stocky.serve")
    for line in config.unknown:
        log.warning("%s", line)
    warn_of_network_mount(config, log)
    _prepare_database(config, log)
    log.info("Times of day, such as scheduled backups, are in the time zone %s", local_zone(config.timezone)[1])

    # Litestar loads Pydantic wherever it is installed; only the child process of assistance needs it.
    _hide("pydantic")
    # PyJWT loads cryptography wherever it is installed, for algorithms that Stocky does not use: 9 MiB.
    with _hidden("cryptography"):
        importlib.import_module("jwt")
    from stocky.app import create_app
    from stocky.config import with_secret_key
    from stocky.http.listening import address_of
    from stocky.http.server import Server

    # After the database, so that a killed first start leaves no key without a database.
    config.data_dir.mkdir(parents=True, exist_ok=True)
    config = with_secret_key(config)
    app = create_app(config, memory_log)

    async def announce_address() -> None:
        address = f"{address_of(listener, is_tls=config.tls_cert is not None)}{config.base_path}"
        if await app.state.first_start.is_due():
            await app.state.first_start.offer(address)
        elif listener.family != socket.AF_UNIX:
            log.info("Open %s in a browser and sign in", address)

    sys.setswitchinterval(SWITCH_SECONDS)
    server = Server(app, config, listener, announce_address)
    # After its shutdown uvicorn raises the signal again for the previous handler, which must ignore it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_handled)
    server.run([listener])
    log.info("Stocky has stopped")
    return 0


def _hide(package: str) -> None:
    """Makes imports of a package that is not loaded yet fail, as if it were not installed."""
    # None in the place of a module is documented; the type of sys.modules does not have it.
    cast("dict[str, ModuleType | None]", sys.modules).setdefault(package, None)


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    _hide(package)
    try:
        yield
    finally:
        if sys.modules[package] is None:
            del sys.modules[package]


def _require_writable(config: Config) -> None:
    """Raises ConfigError, with the command to fix it, when a directory or the database file is not writable."""
    from stocky.config import ConfigError
    from stocky.disk import find_unwritable

    wanted = {"STOCKY_DATA_DIR": config.data_dir, "STOCKY_BACKUP_DIR": config.backup_dir}
    if config.dialect == "sqlite":
        file = config.sqlite_path
        wanted["STOCKY_DATABASE_URL"] = file if file.exists() else file.parent
    if problems := find_unwritable(wanted):
        raise ConfigError(problems)


def _check_mqtt_ca(config: Config) -> None:
    """Raises ConfigError when the authorities for the MQTT broker cannot be used."""
    from stocky.config import ConfigError
    from stocky.mqtt.settings import tls_context

    if config.mqtt is not None:
        try:
            tls_context(config.mqtt)
        except ValueError as error:
            raise ConfigError([f"STOCKY_MQTT_CA: {error}"]) from error


def _prepare_database(config: Config, log: logging.Logger) -> None:
    from stocky.db.schema_check import is_current

    if is_current(config):
        return
    from stocky.db import migrate

    if not config.migrate_on_start:
        migrate.check_schema(config)
        return
    from stocky.backup import migrating

    migrated = migrating.migrate(config, _log_phases(log))
    if migrated.backup is not None:
        log.info("Backed up to %s before migrating, and test-restored it", migrated.backup.filename)
    if migrated.ids:
        log.info("Applied %d migrations, the last one %s", len(migrated.ids), migrated.ids[-1])


def _log_phases(log: logging.Logger) -> ProgressCallback:
    """Logs each phase of the backup before a migration, which may take minutes."""
    logged = ""

    def report(phase: str, done: int, total: int | None, unit: str) -> None:
        nonlocal logged
        if phase != logged:
            log.info("Before the migration: %s", phase)
            logged = phase

    return report


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")


def _already_handled(number: int, frame: object) -> None:
    return None

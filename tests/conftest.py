"""Shared fixtures: the application on a separate database for each test, on each dialect, with users."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import psycopg
import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from stocky.app import attach, make_routes
from stocky.config import Config, load
from stocky.db import Database, make_database
from stocky.db.migrate import migrate
from stocky.services import Services
from tests import browsers, charts, generators, mosquitto, pooler, proxies, s3, serving, standby, webkit
from tests.people import PASSWORD, add_people, cheap_hash
from tests.postgres import Server, embedded_server, system_server
from tests.webhooks.receiving import Receiver, receiving

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

ORIGIN = "http://stocky.test"
SECRET_KEY = "a key for tests only, long enough for all"

# Folders whose tests use Postgres only through the queries of sql/, which architecture/ checks on every server.
ON_ONE_POSTGRES = frozenset(
    [
        "alerts",
        "api",
        "assistance",
        "auth",
        "barcodes",
        "boxes",
        "catalogue",
        "cli",
        "demo",
        "documents",
        "exports",
        "guide",
        "imports",
        "jobs",
        "lending",
        "logs",
        "lookup",
        "merging",
        "monitoring",
        "offsite",
        "notices",
        "mqtt",
        "openapi",
        "pages",
        "projects",
        "reorganisation",
        "scanner",
        "services",
        "settings",
        "shopping",
        "stories",
        "units",
        "webhooks",
    ]
)

# Folders whose tests show what is built on repositories with tests on both dialects: half run on SQLite, half on
# Postgres. All pages run on both in test_every_page.
ON_EITHER_DIALECT = frozenset(["labels", "pages", "stories"])
# Files of other folders of which the same is true: what they show lies above the database.
FILES_ON_EITHER_DIALECT = frozenset(
    [
        "assistance/test_answers.py",
        "assistance/test_datasheets.py",
        "assistance/test_failures.py",
        "auth/test_accounts_command.py",
        "cli/test_command.py",
        "cli/test_secret_key.py",
        "cli/test_serve.py",
        "documents/test_archives.py",
        "documents/test_hostile_archives.py",
        "documents/test_rezipped_archives.py",
        "documents/test_store_settings.py",
        "encryption/test_backups.py",
        "encryption/test_command.py",
        "encryption/test_confirmation.py",
        "encryption/test_increments.py",
        "guide/test_backup_guide.py",
        "guide/test_encryption_guide.py",
        "guide/test_offsite_guide.py",
        "guide/test_recipes.py",
        "guide/test_stockroom_guide.py",
        "mqtt/test_connection.py",
        "mqtt/test_sensors.py",
        "notices/test_channels.py",
        "notices/test_mail.py",
        "notices/test_sending.py",
        "notices/test_services.py",
        "notices/test_timing.py",
        "offsite/test_command.py",
        "offsite/test_copies.py",
        "offsite/test_failures.py",
        "offsite/test_killed.py",
        "offsite/test_memory.py",
        "openapi/test_document.py",
        "openapi/test_for_tools.py",
        "settings/test_mail.py",
        "settings/test_settings.py",
        "webhooks/test_deliveries.py",
        "webhooks/test_failures.py",
        "webhooks/test_receivers.py",
    ]
)
ON_BOTH_DIALECTS = frozenset(["test_every_page.py"])

# Folders whose tests show what differs between the versions of Postgres, or with and without pg_trgm.
ON_EVERY_POSTGRES = frozenset(["architecture", "db", "search"])

# Folders and files whose tests share what takes long to make: a browser, a server, an installed wheel, a document.
LONGEST_GROUP = "tests/pages/browser/"
ON_ONE_WORKER = (
    LONGEST_GROUP,
    "tests/pages/test_gallery.py",
    "tests/labels/test_layout.py",
    "tests/packaging/",
    "tests/guide/test_deployment_guide.py",
    "tests/openapi/test_clients.py",
    "tests/openapi/test_document.py",
    "tests/openapi/test_for_tools.py",
)

_databases = pytest.StashKey["TestDatabases"]()


class TestDatabases:
    """The servers of this session, and on each dialect a migrated database with users, copied for each test."""

    __test__ = False

    def __init__(self) -> None:
        self.left_out: str | None = None
        self.ran_on: dict[str, str] = {}
        self.keys: dict[str, dict[str, str]] = {}
        self._servers: dict[str, Server] = {}
        self._templates: dict[str, str] = {}
        self._stack = ExitStack()
        try:
            server = system_server()
            self._servers["postgres-system"] = server
            self._stack.callback(server.close)
        except psycopg.OperationalError as error:
            if "STOCKY_TEST_POSTGRES_URL" in os.environ:
                raise pytest.UsageError(f"STOCKY_TEST_POSTGRES_URL: {error}") from error
            self.left_out = str(error).strip().splitlines()[0]

    @property
    def dialects(self) -> list[str]:
        return ["sqlite", "postgres-embedded"] + ([] if self.left_out else ["postgres-system"])

    def close(self) -> None:
        """Removes every template and stops the server started here."""
        self._stack.close()

    @contextmanager
    def copy(self, dialect: str, directory: Path) -> Iterator[str]:
        """The address of a copy of the template, removed after the block; a SQLite file is in `directory`."""
        if dialect not in self._templates:
            self._templates[dialect] = self._make_template(dialect)
        template = self._templates[dialect]
        if dialect == "sqlite":
            yield f"sqlite:///{shutil.copy(template, directory / 'stocky.db')}"
        else:
            server = self._server(dialect)
            with server.database(template) as name:
                yield server.url_of(name)

    @contextmanager
    def empty(self, dialect: str, directory: Path) -> Iterator[str]:
        """The address of an empty database, removed after the block."""
        if dialect == "sqlite":
            yield f"sqlite:///{directory / 'empty.db'}"
        else:
            server = self._server(dialect)
            with server.database() as name:
                yield server.url_of(name)

    def _make_template(self, dialect: str) -> str:
        directory = Path(self._stack.enter_context(TemporaryDirectory(prefix="stocky-tests-")))
        if dialect == "sqlite":
            template = str(directory / "template.db")
            url = f"sqlite:///{template}"
            self.ran_on[dialect] = f"SQLite {sqlite3.sqlite_version}"
        else:
            server = self._server(dialect)
            template = self._stack.enter_context(server.database())
            url = server.url_of(template)
        config = load(settings(url, directory))
        migrate(config)
        self.keys[dialect] = asyncio.run(add_people(config, cheap_hash()))
        return template

    def _server(self, dialect: str) -> Server:
        if dialect not in self._servers:
            self._servers[dialect] = self._stack.enter_context(embedded_server())
        self.ran_on[dialect] = str(self._servers[dialect])
        return self._servers[dialect]


def settings(database_url: str, data_dir: Path) -> dict[str, str]:
    """The environment variables of a Stocky for tests."""
    return {
        "STOCKY_DATABASE_URL": database_url,
        "STOCKY_DATA_DIR": str(data_dir),
        "STOCKY_SECRET_KEY": SECRET_KEY,
    }


def pytest_configure(config: pytest.Config) -> None:
    # Hundreds of tests start a process of their own; each would compile Stocky, which takes longer than what it does.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # Child processes of Stocky lower their own priority, so beside other workers' tests some took a minute. Now no
    # process has a higher one.
    os.nice(19)
    databases = config.stash[_databases] = TestDatabases()
    config.add_cleanup(databases.close)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than the number of processors: many tests wait for a time or a child process."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives all tests of some folders and files to one worker, and every other test to any."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((place for place in ON_ONE_WORKER if nodeid.startswith(place)), nodeid)

    return Scheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collects the servers that a worker's tests ran on."""
    node.config.stash[_databases].ran_on.update(getattr(node, "workeroutput", {}).get("ran_on", {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["ran_on"] = session.config.stash[_databases].ran_on


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begins with the tests in a browser, which one worker runs, so that none is alone with them at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """First the tests in a browser, last those marked slow: their child processes would keep pages waiting."""
    if item.nodeid.startswith(LONGEST_GROUP):
        return 0
    return 1 if item.get_closest_marker("slow") is None else 2


def pytest_collection_finish(session: pytest.Session) -> None:
    # Imported objects stay alive; traversing them in each collection costs a quarter of the tests' time.
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "dialect" in metafunc.fixturenames:
        test = metafunc.definition
        available = metafunc.config.stash[_databases].dialects
        file = test.path.relative_to(Path(__file__).parent)
        folder = file.parts[0]
        is_on_either = folder in ON_EITHER_DIALECT or file.as_posix() in FILES_ON_EITHER_DIALECT
        if test.get_closest_marker("one_database"):
            dialects = ["sqlite"]
        elif is_on_either and file.name not in ON_BOTH_DIALECTS:
            dialects = [available[zlib.crc32(test.nodeid.encode()) % 2]]
        elif folder in ON_ONE_POSTGRES or test.get_closest_marker("one_server"):
            dialects = ["sqlite", "postgres-embedded"]
        elif folder in ON_EVERY_POSTGRES:
            dialects = available
        else:
            # Half of these tests on the one server, half on the other.
            servers = available[1:]
            dialects = ["sqlite", servers[zlib.crc32(test.nodeid.encode()) % len(servers)]]
        metafunc.parametrize("dialect", dialects)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    databases = config.stash[_databases]
    terminalreporter.section("databases")
    for dialect, server in databases.ran_on.items():
        terminalreporter.line(f"ran on {dialect}: {server}")
    if databases.left_out:
        terminalreporter.line(f"LEFT OUT postgres-system: {databases.left_out}")
    if pooler.PROGRAM is None:
        terminalreporter.line(f"LEFT OUT the tests behind a pooler: {pooler.MISSING}")
    if charts.MISSING:
        terminalreporter.line(f"LEFT OUT the tests of the Helm chart and the manifests: {charts.MISSING}")
    if find_spec("opentelemetry") is None:
        terminalreporter.line("LEFT OUT the tests of telemetry: OpenTelemetry is not installed (the extra telemetry)")
    if standby.MISSING:
        terminalreporter.line(f"LEFT OUT the tests of a read replica: {standby.MISSING}")
    if mosquitto.PROGRAM is None:
        terminalreporter.line(f"LEFT OUT the tests of MQTT: {mosquitto.MISSING}")
    for missing in proxies.MISSING.values():
        terminalreporter.line(f"LEFT OUT tests behind a proxy: {missing}")
    if browsers.MISSING:
        terminalreporter.line(f"LEFT OUT the tests of pages in a browser: {browsers.MISSING}")
    for missing in generators.MISSING:
        terminalreporter.line(f"LEFT OUT the test of a generated client: {missing}")
    if webkit.MISSING:
        terminalreporter.line(f"LEFT OUT the test of pages in WebKit: {webkit.MISSING}")


@pytest.fixture(autouse=True)
def logging_left_as_found() -> Iterator[None]:
    """Fails a test that leaves handlers or another level on the root logger: later tests would read its records."""
    root = logging.getLogger()
    found = root.level, root.handlers[:]
    yield
    assert (root.level, root.handlers) == found


@pytest.fixture(scope="session")
def databases(pytestconfig: pytest.Config) -> TestDatabases:
    """The databases, for tests that need more than one."""
    return pytestconfig.stash[_databases]


@pytest.fixture
def environ(dialect: str, databases: TestDatabases, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment variables of a Stocky on a separate database for the test."""
    with databases.copy(dialect, tmp_path) as url:
        yield settings(url, tmp_path)


@pytest.fixture
def empty_environ(dialect: str, databases: TestDatabases, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The same on an unmigrated database."""
    with databases.empty(dialect, tmp_path) as url:
        yield settings(url, tmp_path)


@pytest.fixture
def config(environ: dict[str, str]) -> Config:
    return load(environ)


@pytest.fixture
async def database(config: Config) -> AsyncIterator[Database]:
    """The database layer, opened on the test's database."""
    database = make_database(config)
    await database.open()
    yield database
    await database.close()


@asynccontextmanager
async def started(app: Litestar) -> AsyncIterator[Litestar]:
    """A started application, stopped after the block."""
    ready, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            ready.set()
            await over.wait()

    # Litestar's lifespan must begin and end in one task; a fixture begins and ends in two.
    life = asyncio.create_task(live())
    life.add_done_callback(lambda _: ready.set())
    await ready.wait()
    if life.done():
        await life
    try:
        yield app
    finally:
        # After a failed test as well: its threads would keep the process from ending.
        over.set()
        await life


_make_routes_once = cache(make_routes)


@pytest.fixture
async def app(config: Config) -> AsyncIterator[Litestar]:
    """The whole application, started. Its routes are built once: they hold no state and take long."""
    async with started(attach(_make_routes_once(config.allowed_origins), Services(config))) as app:
        yield app


@pytest.fixture
def keys(environ: dict[str, str], dialect: str, databases: TestDatabases) -> dict[str, str]:
    """The API keys of the users, by username."""
    return databases.keys[dialect]


def _client(app: Litestar, path: str = "/api/v1", key: str | None = None) -> AsyncClient:
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url=f"{ORIGIN}{path}", headers={"X-API-Key": key} if key else {})


@pytest.fixture
async def root(app: Litestar) -> AsyncIterator[AsyncClient]:
    """A client of `/` instead of `/api/v1`."""
    async with _client(app, "") as client:
        yield client


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[AsyncClient]:
    """A client of `/api/v1` without any credentials."""
    async with _client(app) as client:
        yield client


@pytest.fixture
async def admin(app: Litestar, keys: dict[str, str]) -> AsyncIterator[AsyncClient]:
    async with _client(app, key=keys["admin"]) as client:
        yield client


@pytest.fixture
async def signed_in_admin(app: Litestar) -> AsyncIterator[AsyncClient]:
    """The admin with a session, for what an API key may not do."""
    async with _client(app) as client:
        answer = await client.post("/auth/login-json", json={"username": "admin", "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


@pytest.fixture
async def member(app: Litestar, keys: dict[str, str]) -> AsyncIterator[AsyncClient]:
    async with _client(app, key=keys["member"]) as client:
        yield client


@pytest.fixture
async def scanner(app: Litestar, keys: dict[str, str]) -> AsyncIterator[AsyncClient]:
    async with _client(app, key=keys["scanner"]) as client:
        yield client


@pytest.fixture
async def reader(app: Litestar, keys: dict[str, str]) -> AsyncIterator[AsyncClient]:
    async with _client(app, key=keys["reader"]) as client:
        yield client


@pytest.fixture
def serve(environ: dict[str, str], tmp_path: Path) -> Callable[..., AbstractContextManager[serving.Server]]:
    """`with serve() as server:` runs a real `stocky serve` on the test's database; `serve(port=…)` on a port."""
    return partial(serving.serve, environ, tmp_path)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server, which stops with the tests."""
    with s3.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of webhooks on this machine."""
    async with receiving() as receiver:
        yield receiver

"""Telemetry reaches a real OTLP receiver, and is not even imported while it is off."""

from __future__ import annotations

import asyncio
import gzip
import importlib.util
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from stocky.app import create_app
from stocky.config import ConfigError, load
from stocky.metrics import Metrics
from stocky.telemetry import service
from tests.conftest import ORIGIN, started
from tests.inventory import made, new_item, new_location
from tests.serving import ROOT

MISSING = "" if importlib.util.find_spec("opentelemetry") else "OpenTelemetry is not installed (the extra telemetry)"
TRACE = "0af7651916cd43dd8448eb211c80319c"

pytestmark = pytest.mark.one_database


@contextmanager
def receiver() -> Iterator[tuple[str, dict[str, list[bytes]]]]:
    """The address of a receiver, and the bodies it got by path."""
    got: dict[str, list[bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            got.setdefault(self.path, []).append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Logs nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def no_thread_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Retries of an export go on in a thread; in later tests, its random pauses would disturb Hypothesis."""
    # Shorter than the default of ten seconds, longer than an application waits for its last export.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(service.CLOSE_SECONDS + 1))
    yield
    for each in threading.enumerate():
        if each.name == "telemetry":
            each.join()


def client_of(app: Litestar, key: str) -> AsyncClient:
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", headers={"X-API-Key": key})


def spans_in(bodies: list[bytes]) -> list[Any]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def metrics_in(bodies: list[bytes]) -> dict[str, Any]:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    requests = [ExportMetricsServiceRequest.FromString(body) for body in bodies]
    return {
        metric.name: metric
        for request in requests
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
async def test_requests_and_batches_are_traced_and_metrics_sent(environ: dict[str, str], keys: dict[str, str]) -> None:
    with receiver() as (endpoint, got):
        config = load(environ | {"STOCKY_OTLP_ENDPOINT": endpoint})
        async with started(create_app(config)) as app, client_of(app, keys["admin"]) as client:
            await _count_once(client)
            parent = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-ID": "asked-here"}
            assert (await client.get("/items/", headers=parent)).status_code == 200
            assert (await client.get("/items/999999")).status_code == 404
    spans = spans_in(got["/v1/traces"])
    (listed,) = [span for span in spans if span.trace_id.hex() == TRACE]
    assert listed.name == "GET /api/v1/items"
    attributes = {each.key: each.value for each in listed.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    assert attributes["stocky.request_id"].string_value == "asked-here"
    assert listed.parent_span_id.hex() == "b7ad6b7169203331"
    assert listed.end_time_unix_nano > listed.start_time_unix_nano
    assert [span.name for span in spans if span.name == "record batch"] == ["record batch"]
    metrics = metrics_in(got["/v1/metrics"])
    assert metrics["stocky_events_recorded"].sum.data_points[0].as_int == 1
    assert metrics["http.server.request.duration"].histogram.data_points
    assert metrics["stocky_task_stalled_seconds"].gauge.data_points


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
async def test_collector_that_is_away_hinders_nothing(environ: dict[str, str], keys: dict[str, str]) -> None:
    with receiver() as (endpoint, _):
        pass
    config = load(environ | {"STOCKY_OTLP_ENDPOINT": endpoint})
    async with started(create_app(config)) as app, client_of(app, keys["admin"]) as client:
        await _count_once(client)


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
async def test_collector_that_never_answers_delays_no_end(caplog: pytest.LogCaptureFixture) -> None:
    # Connections are established, and nothing reads them.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        telemetry = service.Telemetry(f"http://127.0.0.1:{silent.getsockname()[1]}", Metrics())
        await telemetry.start()
        telemetry.request([], "GET", "/", 200, 0.1, "id")
        async with asyncio.timeout(service.CLOSE_SECONDS + 0.9):
            await telemetry.close()
        assert "last spans and metrics are lost" in caplog.text
    assert not [each for each in threading.enumerate() if each.name == "telemetry" and not each.daemon]


async def test_missing_packages_are_named_in_the_log(
    environ: dict[str, str], keys: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    monkeypatch.delitem(sys.modules, "stocky.telemetry.export", raising=False)
    config = load(environ | {"STOCKY_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    async with started(create_app(config)) as app, client_of(app, keys["admin"]) as client:
        await _count_once(client)
    assert service.NEEDS_SDK in caplog.text


def test_nothing_is_imported_while_it_is_off() -> None:
    code = "import sys, stocky.app; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    "wrong",
    [
        *("collector:4318", "grpc://collector:4317", "http://", "http://host/v1?key=1", "http://the host:4318"),
        *("http://[::1:4318", "http://127.0.0.1:abc", "http://127.0.0.1:99999", "http://127.0.0.1:0"),
    ],
)
def test_wrong_endpoint_is_refused_by_name(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="STOCKY_OTLP_ENDPOINT"):
        load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_OTLP_ENDPOINT": wrong})


async def _count_once(client: AsyncClient) -> None:
    shelf = await new_location(client)
    item = await new_item(client, barcodes=[{"barcode": "4006381333931"}])
    scan = {"upc": "4006381333931", "scanner_id": "s", "location_hint": shelf["id"], "event_id": "one"}
    made(await client.post("/scanner/scan", json=scan))
    assert item["id"]

"""The deployment guide: real proxies run its configurations in front of a real Stocky; systemd reads its unit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import TestDatabases, settings
from tests.documents.files import pdf
from tests.inventory import Json, made
from tests.people import PASSWORD
from tests.proxies import Certificate, behind_each, make_certificate, running
from tests.serving import ROOT, Server, free_port, serve

GUIDE = (ROOT / "docs" / "deployment.md").read_text("utf-8")
UPLOAD_BYTES = 30 * 2**20
# The source address of requests; another one than the proxy's, 127.0.0.1.
CLIENTS = {"nginx": "127.0.0.2", "caddy": "127.0.0.3"}


@pytest.fixture(scope="module")
def on_a_port(databases: TestDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Stocky on a port, which each proxy uses in turn."""
    directory = tmp_path_factory.mktemp("port")
    trusted = {"STOCKY_TRUSTED_PROXIES": "127.0.0.1"}
    with databases.copy("sqlite", directory) as url, serve(settings(url, directory) | trusted, directory) as server:
        yield server


@pytest.fixture(scope="module")
def on_a_socket(databases: TestDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Stocky under a path on the unix socket `stocky.sock` beside its log."""
    directory = tmp_path_factory.mktemp("socket")
    place = {"STOCKY_UDS": str(directory / "stocky.sock"), "STOCKY_BASE_PATH": "/stocky"}
    with databases.copy("sqlite", directory) as url, serve(settings(url, directory) | place, directory) as server:
        yield server


@pytest.mark.slow
@behind_each
def test_site_with_its_own_host_name(proxy: str, on_a_port: Server, databases: TestDatabases, tmp_path: Path) -> None:
    upstream = ("127.0.0.1:8000", on_a_port.url.removeprefix("http://"))
    with _proxy_of_the_guide(proxy, 0, "stock.example.org", upstream, tmp_path) as (origin, certificate):
        _check(proxy, origin, "", on_a_port, databases.keys["sqlite"]["admin"], certificate)


@pytest.mark.slow
@behind_each
def test_path_over_a_unix_socket(proxy: str, on_a_socket: Server, databases: TestDatabases, tmp_path: Path) -> None:
    upstream = ("/run/stocky/stocky.sock", str(on_a_socket.log_file.parent / "stocky.sock"))
    with _proxy_of_the_guide(proxy, 1, "example.org", upstream, tmp_path) as (origin, certificate):
        _check(proxy, origin, "/stocky", on_a_socket, databases.keys["sqlite"]["admin"], certificate)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_accepts_every_line_of_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "stocky.service"
    unit.write_text(_changed(_blocks("ini")[0], ("/opt/stocky/.venv/bin/python", sys.executable)), "utf-8")
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=30, check=False)
    # systemd reports an unknown line without failing.
    assert (done.returncode, [line for line in done.stderr.splitlines() if "stocky.service" in line]) == (0, [])


def test_service_may_read_the_files_that_its_settings_name() -> None:
    guides = "\n".join(file.read_text("utf-8") for file in sorted((ROOT / "docs").glob("*.md")))
    named = set(re.findall(r"^STOCKY_\w+=/etc/stocky/(\S+)$", guides, re.MULTILINE))
    installed = re.findall(r"^install -m 0640 -o root -g stocky (.*)$", guides, re.MULTILINE)
    assert named == {"stocky.pem", "stocky-key.pem", "smtp-password", "backup-passphrase", "backup-identity"}
    for name in named:
        assert any(re.search(rf"(?:^|[ /]){re.escape(name)}(?: |$)", line) for line in installed), name
    assert "\ninstall -d -m 0750 -o root -g stocky /etc/stocky\n" in GUIDE
    # systemd reads it as root.
    assert "\ninstall -m 0600 /dev/null /etc/stocky/stocky.env\n" in GUIDE


def _check(proxy: str, origin: str, base: str, server: Server, key: str, certificate: Certificate) -> None:
    """Checks the requirements of the guide by requests to `origin`, each with the path prefix `base`."""
    address = CLIENTS[proxy]
    transport = httpx.HTTPTransport(verify=certificate.trust, local_address=address)
    with httpx.Client(
        transport=transport, base_url=f"{origin}{base}", headers={"X-API-Key": key}, timeout=20
    ) as client:
        # The proxy reports TLS, and the links that Stocky makes lead through the proxy.
        ready = client.get("/health/ready")
        assert ready.status_code == 200
        assert "strict-transport-security" in ready.headers
        to_sign_in = client.get("/", headers={"X-API-Key": ""})
        assert to_sign_in.headers["location"] == f"{base}/sign-in"
        # Stocky sees the client's address, whatever X-Forwarded-For the client sends.
        wrong = {"username": "admin", "password": "not this one"}
        claimed = {"X-Forwarded-For": "203.0.113.9"}
        assert client.post("/api/v1/auth/login", data=wrong, headers=claimed).status_code == 401
        assert f"A sign-in from {address} was rejected" in server.log
        # Origin matches the Host header, and the cookie is limited to TLS and this path.
        right = {"username": "member", "password": PASSWORD, "remember_me": "true"}
        cookie = client.post("/api/v1/auth/login", data=right).headers["set-cookie"]
        assert "Secure" in cookie
        assert f"Path={base}/api/v1/auth" in cookie
        sent = {"Cookie": cookie.partition(";")[0], "Origin": origin}
        assert client.post("/api/v1/auth/refresh", headers=sent).status_code == 200
        # A slash in a barcode.
        barcode = f"{proxy.upper()}/7"
        item = made(client.post("/api/v1/items/", json={"name": "Screws", "barcodes": [{"barcode": barcode}]}))
        assert made(client.get(f"/api/v1/items/upc/{barcode.replace('/', '%2F')}"))["id"] == item["id"]
        location = made(client.post("/api/v1/locations/", json={"name": f"Behind {proxy}"}))
        _check_stream(client, {"upc": barcode, "scanner_id": proxy, "event_id": proxy, "location_hint": location["id"]})
        # Larger than the default limit of proxies.
        files = {"file": ("datasheet.pdf", pdf(UPLOAD_BYTES, mark=proxy))}
        document = made(client.post("/api/v1/documents/", data={"item_id": str(item["id"])}, files=files))
        assert document["size_bytes"] > UPLOAD_BYTES


def _check_stream(client: httpx.Client, scan: Json) -> None:
    """A scan is in the stream within a second of its response."""
    arrived: list[float] = []
    with client.stream("GET", "/api/v1/events/stream") as stream:
        lines = stream.iter_lines()
        # If the proxy buffers the stream, the client times out here.
        assert "event: ready" in (next(lines), next(lines))

        def read() -> None:
            if "event: stock" in lines:
                arrived.append(time.monotonic())

        reader = threading.Thread(target=read)
        reader.start()
        made(client.post("/api/v1/scanner/scan", json=scan))
        answered = time.monotonic()
        reader.join(10)
    assert arrived
    assert arrived[0] - answered < 1


@contextmanager
def _proxy_of_the_guide(
    proxy: str, number: int, host: str, upstream: tuple[str, str], directory: Path
) -> Iterator[tuple[str, Certificate]]:
    """The address of a proxy with the site of that number, which the guide has for `host`.

    `upstream` is Stocky's address in the guide, and its address here.
    """
    certificate = make_certificate(directory)
    port = free_port()
    origin = f"https://127.0.0.1:{port}"
    if proxy == "nginx":
        snippet, *sites = _blocks("nginx")
        (directory / "snippets").mkdir()
        (directory / "snippets" / "stocky.conf").write_text(snippet, "utf-8")
        changes = [
            (f"/etc/letsencrypt/live/{host}/fullchain.pem", str(certificate.file)),
            (f"/etc/letsencrypt/live/{host}/privkey.pem", str(certificate.key)),
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ]
    else:
        sites = _blocks("caddyfile")
        changes = [(f"{host} {{", f"{origin} {{\n\ttls {certificate.file} {certificate.key}")]
    with running(proxy, _changed(sites[number], upstream, *changes), origin, certificate, directory):
        yield origin, certificate


def _blocks(language: str) -> list[str]:
    """The fenced blocks of the guide in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def _changed(text: str, *changes: tuple[str, str]) -> str:
    """The text with values of this machine instead of the guide's examples; each example must occur."""
    for example, here in changes:
        assert example in text, example
        text = text.replace(example, here)
    return text

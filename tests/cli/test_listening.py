"""`stocky serve` listens on IPv4 and IPv6, or on a unix socket; and the image's health check."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from stocky.config import load
from tests.cli.running import environment, stocky
from tests.serving import ROOT, serve

pytestmark = pytest.mark.one_database
HEALTHCHECK = ROOT / "container" / "healthcheck"


@pytest.mark.parametrize("host", ["::", "[::]", "*"])
def test_wildcard_listens_on_ipv4_and_ipv6(environ: dict[str, str], tmp_path: Path, host: str) -> None:
    with serve(environ | {"STOCKY_HOST": host}, tmp_path) as server:
        port = server.url.rpartition(":")[2]
        for address in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{address}:{port}/health/live").status_code == 200


def test_brackets_around_address_are_ignored(environ: dict[str, str]) -> None:
    assert load(environ | {"STOCKY_HOST": "[::1]"}).host == "::1"


@contextmanager
def on_a_socket(environ: dict[str, str], path: Path) -> Iterator[subprocess.Popen[str]]:
    """A `stocky serve` that logs that it is ready on that path."""
    process = subprocess.Popen(
        [sys.executable, "-m", "stocky", "serve"],
        env=environment(environ | {"STOCKY_UDS": str(path)}),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        assert any(f"ready on unix:{path}" in line for line in process.stderr)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        process.stderr.close()
        process.wait(12)


def _ask(path: Path, headers: dict[str, str] | None = None) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), headers=headers) as client:
        return client.get("http://stocky.test/health/ready")


def test_unix_socket_is_removed_with_its_server(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "stocky.sock"
    with on_a_socket(environ, path) as process:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert _ask(path).status_code == 200
        over_tls = _ask(path, {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"})
        assert "strict-transport-security" in over_tls.headers
        assert _is_ready({"STOCKY_UDS": str(path)})
        other = stocky(
            environ | {"STOCKY_UDS": str(path), "STOCKY_DATABASE_URL": f"sqlite:///{tmp_path}/b.db"}, "serve"
        )
        assert other.returncode == 1
        assert other.stderr.endswith("another program listens on it; choose another path\n")
        assert other.stderr.count("\n") == 1
        assert _ask(path).status_code == 200
    assert process.returncode == 0
    assert not path.exists()


def test_socket_of_killed_server_is_replaced(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "stocky.sock"
    with on_a_socket(environ, path) as process:
        process.kill()
        process.wait()
    assert path.exists()
    with on_a_socket(environ, path):
        assert _ask(path).status_code == 200
    assert not path.exists()


def test_file_that_is_not_a_socket_is_not_removed(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    answer = stocky(environ | {"STOCKY_UDS": str(path)}, "serve")
    assert answer.returncode == 1
    assert "is not a socket" in answer.stderr
    assert path.read_text() == "mine"


def _is_ready(settings: dict[str, str]) -> bool:
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"), "http://127.0.0.1:1")
    asked = subprocess.run(
        ["/bin/bash", HEALTHCHECK], env={"PATH": os.environ["PATH"]} | proxies | settings, check=False
    )
    return asked.returncode == 0


def test_health_check_of_image_ignores_proxies(environ: dict[str, str], tmp_path: Path) -> None:
    with serve(environ, tmp_path) as server:
        port = server.url.rpartition(":")[2]
        assert _is_ready({"STOCKY_PORT": port})
        assert _is_ready({"PORT": port})
        assert _is_ready({"PORT": port, "STOCKY_PORT": "tcp://10.0.0.7:8000"})
    assert not _is_ready({"STOCKY_PORT": port})


def test_health_check_fails_when_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        asked = subprocess.Popen(["/bin/bash", HEALTHCHECK], env={"STOCKY_PORT": port})
        connection, _ = listener.accept()
        with connection:
            request = b""
            # bash may send it line by line, and must have finished writing when the connection closes.
            while not request.endswith(b"\r\n\r\n"):
                received = connection.recv(100)
                assert received
                request += received
            assert request.startswith(b"GET /health/ready HTTP/1.0\r\n")
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
        assert asked.wait(10) == 1


def test_image_uses_the_health_check() -> None:
    image = (ROOT / "Dockerfile").read_text("utf-8")
    assert 'CMD ["/bin/bash", "/opt/stocky/healthcheck"]' in image
    assert "COPY container/healthcheck /opt/stocky/healthcheck" in image
    assert "urllib" not in image

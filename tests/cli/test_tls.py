"""`stocky serve` with a certificate: HTTPS on its port, and one clear line for a certificate that cannot be used."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stocky.config import ConfigError, load
from tests.cli.running import environment, stocky
from tests.people import PASSWORD
from tests.proxies import Certificate, make_certificate
from tests.serving import ROOT, free_port

pytestmark = pytest.mark.one_database
HEALTHCHECK = ROOT / "container" / "healthcheck"


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


def _settings(environ: dict[str, str], certificate: Certificate) -> dict[str, str]:
    return environ | {"STOCKY_TLS_CERT": str(certificate.file), "STOCKY_TLS_KEY": str(certificate.key)}


@contextmanager
def _served(environ: dict[str, str], certificate: Certificate, *arguments: str) -> Iterator[tuple[str, Path]]:
    """A `stocky serve` that answers over TLS: its origin, and its log."""
    port = free_port()
    log = certificate.file.with_name("serve.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "stocky", "serve", "--port", str(port), *arguments],
            env=environment(environ),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    origin = f"https://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while f"ready on {origin}" not in log.read_text("utf-8"):
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline, log.read_text("utf-8")
            time.sleep(0.05)
        yield origin, log
    finally:
        process.terminate()
        assert process.wait(15) == 0, log.read_text("utf-8")


def test_certificate_makes_the_port_https(environ: dict[str, str], certificate: Certificate) -> None:
    with _served(_settings(environ, certificate), certificate) as (origin, log):
        with httpx.Client(verify=certificate.trust, base_url=origin) as client:
            ready = client.get("/health/ready")
            assert ready.status_code == 200
            assert "strict-transport-security" in ready.headers
            answer = client.post("/api/v1/auth/login-json", json={"username": "admin", "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            assert "; secure" in answer.headers["set-cookie"].lower()
            upload = client.post(
                "/api/v1/items/",
                json={"name": "Coffee", "description": "x" * 1000},
                headers={"Authorization": f"Bearer {answer.json()['access_token']}"},
            )
            assert upload.status_code == 201, upload.text
        with pytest.raises(httpx.ConnectError):
            # A client that does not trust the certificate.
            httpx.get(f"{origin}/health/ready")
        port = origin.rpartition(":")[2]
        assert f"Open https://127.0.0.1:{port}" in log.read_text("utf-8")
        assert _is_healthy(_settings({"STOCKY_PORT": port}, certificate))
        assert not _is_healthy({"STOCKY_PORT": port})
        assert "Traceback" not in log.read_text("utf-8")
    assert not _is_healthy(_settings({"STOCKY_PORT": port}, certificate))


def test_certificate_may_be_given_as_options(environ: dict[str, str], certificate: Certificate) -> None:
    arguments = ("--tls-cert", str(certificate.file), "--tls-key", str(certificate.key))
    with _served(environ, certificate, *arguments) as (origin, _):
        assert httpx.get(f"{origin}/health/live", verify=certificate.trust).status_code == 200
    with _served(environ | {"STOCKY_TLS_KEY": str(certificate.key)}, certificate, *arguments[:2]) as (origin, _):
        assert httpx.get(f"{origin}/health/live", verify=certificate.trust).status_code == 200


def test_old_protocols_are_refused_and_plain_http_does_no_harm(
    environ: dict[str, str], certificate: Certificate
) -> None:
    with _served(_settings(environ, certificate), certificate) as (origin, log):
        address = ("127.0.0.1", int(origin.rpartition(":")[2]))
        with pytest.raises(httpx.TransportError):
            httpx.get(origin.replace("https", "http"), timeout=5)
        with socket.create_connection(address, 5) as idle, socket.create_connection(address, 5) as garbage:
            garbage.sendall(b"\x16\x03\x01\x00\x05hello")
            with suppress(ConnectionError):
                garbage.recv(100)
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            with pytest.warns(DeprecationWarning, match="TLSVersion"):
                old.minimum_version = ssl.TLSVersion.TLSv1
            with pytest.warns(DeprecationWarning, match="TLSVersion"):
                old.maximum_version = ssl.TLSVersion.TLSv1_1
            with socket.create_connection(address, 5) as plain, pytest.raises((ssl.SSLError, ConnectionError)):
                old.wrap_socket(plain)
            assert httpx.get(f"{origin}/health/live", verify=certificate.trust).status_code == 200
            idle.close()
        assert "Traceback" not in log.read_text("utf-8")


def _refused(environ: dict[str, str]) -> str:
    """The only line of a `stocky serve` that does not start."""
    answer = stocky(environ, "serve", "--port", "0")
    assert answer.returncode == 1, answer.stderr
    assert answer.stderr.count("\n") == 1, answer.stderr
    return answer.stderr


def test_unusable_certificate_is_one_line(environ: dict[str, str], certificate: Certificate, tmp_path: Path) -> None:
    settings = _settings(environ, certificate)
    missing = str(tmp_path / "missing.pem")
    assert "STOCKY_TLS_CERT" in (line := _refused(settings | {"STOCKY_TLS_CERT": missing}))
    assert "No such file" in line
    assert "STOCKY_TLS_KEY" in (line := _refused(settings | {"STOCKY_TLS_KEY": missing}))
    assert "No such file" in line
    (tmp_path / "text.pem").write_text("hello")
    text = str(tmp_path / "text.pem")
    assert "is not a certificate in PEM" in _refused(settings | {"STOCKY_TLS_CERT": text})
    assert "is not a private key in PEM" in _refused(settings | {"STOCKY_TLS_KEY": text})
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    line = _refused(settings | {"STOCKY_TLS_KEY": str(other.key)})
    assert f"STOCKY_TLS_KEY: {other.key} is not the key of the certificate {certificate.file}" in line


def test_encrypted_key_is_refused_without_asking(environ: dict[str, str], certificate: Certificate) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert "is encrypted" in _refused(_settings(environ, certificate))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"STOCKY_TLS_CERT": "/a.pem"}, "STOCKY_TLS_KEY: is needed with STOCKY_TLS_CERT"),
        ({"STOCKY_TLS_KEY": "/a.pem"}, "STOCKY_TLS_CERT: is needed with STOCKY_TLS_KEY"),
        ({"STOCKY_TLS_CERT": "/a.pem", "STOCKY_TLS_KEY": "/b.pem", "STOCKY_UDS": "/c.sock"}, "goes with a port only"),
    ],
)
def test_settings_that_do_not_go_together(environ: dict[str, str], settings: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(environ | settings)


def _is_healthy(settings: dict[str, str]) -> bool:
    asked = subprocess.run(["/bin/bash", HEALTHCHECK], env={"PATH": os.environ["PATH"]} | settings, check=False)
    return asked.returncode == 0

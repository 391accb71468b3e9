"""Real nginx and Caddy in front of a Stocky, for what reverse proxies do to it."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

START_SECONDS = 20

PROGRAMS = {
    name: shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") for name in ("nginx", "caddy")
}
MISSING = {name: f"{name} is not installed (apt-get install {name})" for name, path in PROGRAMS.items() if not path}

# Runs a test behind each of them, as `proxy`.
behind_each = pytest.mark.parametrize(
    "proxy",
    [pytest.param(name, marks=pytest.mark.skipif(name in MISSING, reason=MISSING.get(name, ""))) for name in PROGRAMS],
)


class Certificate(NamedTuple):
    """A certificate for 127.0.0.1 that is its own authority, and its key."""

    file: Path
    key: Path

    @property
    def trust(self) -> ssl.SSLContext:
        """For a client that takes this certificate and no other."""
        return ssl.create_default_context(cafile=self.file)


def make_certificate(directory: Path) -> Certificate:
    """A new one in `directory`, valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate = Certificate(directory / "fullchain.pem", directory / "privkey.pem")
    certificate.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    certificate.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate


@contextmanager
def running(proxy: str, site: str, origin: str, certificate: Certificate, directory: Path) -> Iterator[None]:
    """The proxy with the configuration of one `site`, which answers at `origin` until the block ends.

    Its files are in `directory`, which is also where it looks for files that the site includes.
    """
    command = {"nginx": _nginx, "caddy": _caddy}[proxy](site, directory)
    log = directory / f"{proxy}.log"
    home = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(directory))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PROGRAMS[proxy] or proxy, *command], stdout=output, stderr=subprocess.STDOUT, env=os.environ | home
        )
    try:
        _wait(origin, certificate, process, log)
        yield
    finally:
        process.kill()
        process.wait()


def _nginx(site: str, directory: Path) -> list[str | Path]:
    file = directory / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {directory / 'temporary'};\n" for kind in kinds)
    # One process, which stays this user's and can reach the directory.
    main = f"daemon off;\nmaster_process off;\npid {directory / 'nginx.pid'};\nevents {{}}\n"
    file.write_text(f"{main}http {{\naccess_log off;\n{places}{site}}}\n", "utf-8")
    return ["-p", directory, "-e", "stderr", "-c", file]


def _caddy(site: str, directory: Path) -> list[str | Path]:
    file = directory / "Caddyfile"
    options = "admin off\nauto_https disable_redirects\ndefault_bind 127.0.0.1\nservers {\nprotocols h1 h2\n}\n"
    file.write_text(f"{{\n{options}}}\n{site}", "utf-8")
    return ["run", "--adapter", "caddyfile", "--config", file]


def _wait(origin: str, certificate: Certificate, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    trust = certificate.trust
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            httpx.get(origin, verify=trust, timeout=2)
            return
        time.sleep(0.02)
    raise AssertionError(f"{process.args!r} does not answer:\n{log.read_text('utf-8', 'replace')}")

"""Allowed addresses of webhooks: public ones, private ones if configured, never link-local ones."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from httpx import AsyncClient

from stocky.addresses import may_be_reached
from stocky.webhooks import http_client
from stocky.webhooks.http_client import Receivers
from tests.inventory import Json, get, made, refused
from tests.webhooks.receiving import Receiver, deliveries, hooked, until_so

PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"]
PRIVATE = ["10.0.0.1", "172.16.0.1", "192.168.1.5", "127.0.0.1", "::1", "fd12::1", "100.64.0.1", "::ffff:10.0.0.1"]
NEVER = [
    "169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255",
    "240.0.0.1", "2002:a00:1::1", "2001:0:a00:1::1", "fec0::1", "192.0.0.192", "168.63.129.16", "100.100.100.200",
    "fd00:ec2::254", "0.1.2.3", "::ffff:100.100.100.200",
]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC + PRIVATE + NEVER)
def test_addresses_are_public_private_or_forbidden(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert may_be_reached(address, to_private=False) is (text in PUBLIC)
    assert may_be_reached(address, to_private=True) is (text in PUBLIC + PRIVATE)


def names(monkeypatch: pytest.MonkeyPatch, **known: list[str]) -> None:
    """Makes these names, with an underscore for a dot, resolve to these addresses."""
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if (found := known.get(host.replace(".", "_"))) is None:
            return real(host, port, *rest, **more)
        return [(0, 0, 0, "", (address, port)) for address in found]

    monkeypatch.setattr(http_client.socket, "getaddrinfo", look_up)


async def until_tried(admin: AsyncClient, webhook: Json) -> Json:
    """The one delivery of a webhook, after its first attempt."""

    async def tried() -> Json | None:
        [delivery] = await deliveries(admin, webhook)
        return delivery if delivery["attempts"] else None

    delivery: Json = await until_so(tried)
    return delivery


@pytest.mark.one_database
class TestToPublicOnly:
    """The configuration without the setting."""

    @pytest.fixture
    def environ(self, environ: dict[str, str]) -> dict[str, str]:
        return environ | {"STOCKY_WEBHOOKS_TO_PRIVATE": "false"}

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "home_lan"])
    async def test_private_address_is_rejected_naming_the_setting(
        self, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch, host: str
    ) -> None:
        names(monkeypatch, home_lan=["192.168.1.5", "fe80::1"])
        body = {"url": f"http://{host.replace('_', '.')}:8123/hook", "event_types": ["stock.recorded"]}
        words = "127.0.0.1 is a private address" if host == "127.0.0.1" else "private address"
        refused(await admin.post("/webhooks/", json=body), 422, "STOCKY_WEBHOOKS_TO_PRIVATE", words)
        assert await get(admin, "/webhooks/") == []
        refused(
            await admin.post("/webhooks/", json=body | {"url": "http://0.0.0.0/"}),
            422,
            "0.0.0.0 is an address to which",
        )

    async def test_change_to_private_address_is_rejected(
        self, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names(monkeypatch, hook_example=["93.184.216.34"])
        body = {"url": "http://hook.example/", "event_types": ["stock.recorded"], "is_active": False}
        path = f"/webhooks/{made(await admin.post('/webhooks/', json=body))['id']}"
        refused(await admin.patch(path, json={"url": "http://10.0.0.1/"}), 422, "STOCKY_WEBHOOKS_TO_PRIVATE")
        assert (await get(admin, path))["url"] == body["url"]

    async def test_name_that_became_private_is_not_connected_to(
        self, admin: AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names(monkeypatch, hook_example=["93.184.216.34"])
        url = f"http://hook.example:{receiver.port}/"
        webhook = made(await admin.post("/webhooks/", json={"url": url, "event_types": ["stock.recorded"]}))
        names(monkeypatch, hook_example=["127.0.0.1"])
        assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202
        assert "STOCKY_WEBHOOKS_TO_PRIVATE" in (await until_tried(admin, webhook))["error"]
        assert receiver.received == []


@pytest.mark.one_database
async def test_unresolvable_name_is_accepted_and_fails_on_delivery(admin: AsyncClient) -> None:
    body = {"url": "http://nobody.invalid/", "event_types": ["stock.recorded"]}
    webhook = made(await admin.post("/webhooks/", json=body))
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202
    error = (await until_tried(admin, webhook))["error"]
    assert error == "cannot be reached: the name nobody.invalid cannot be resolved"


@pytest.mark.one_database
async def test_checked_addresses_are_tried_in_order(
    admin: AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, hook_example=["127.0.0.2", "127.0.0.1"])
    webhook = await hooked(admin, receiver)
    url = f"http://hook.example:{receiver.port}/a?b=c"
    made(await admin.patch(f"/webhooks/{webhook['id']}", json={"url": url}))
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202
    [received] = await receiver.until(1)
    assert received.headers["host"] == f"hook.example:{receiver.port}"


def _certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate of that name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "certificate.pem", directory / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


async def test_certificate_must_match_the_host_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = _certificate(tmp_path, "hook.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    names(monkeypatch, hook_example=["127.0.0.1"], other_example=["127.0.0.1"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    receiver, receivers = Receiver(), Receivers(to_private=True)
    await receiver.open(tls)
    headers = {"webhook-id": "x"}
    taken = await receivers.send(f"https://hook.example:{receiver.port}/", b"{}", headers)
    assert (taken.status, taken.error) == (204, None)
    for host in ("other.example", "127.0.0.1"):
        refusal = await receivers.send(f"https://{host}:{receiver.port}/", b"{}", headers)
        assert (refusal.status, refusal.error) == (None, "cannot be reached (ConnectError)")
    assert len(receiver.received) == 1
    receiver.close()
    await receivers.close()

"""The client address of a request: forwarded headers count only from trusted proxies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from litestar.connection import ASGIConnection

from stocky.config import Config
from stocky.http.client_address import Proxies, client_info

CONFIG = Config(
    database_url="sqlite:////nowhere",
    data_dir=Path(),
    backup_dir=Path(),
    secret_key="",
    trusted_proxies=("10.0.0.0/8", "::1"),
    allowed_origins=("https://web.example",),
)


def connection(client: str, **headers: str) -> ASGIConnection[Any, Any, Any, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return behind((client, 1), ("127.0.0.1", 8000), raw)


def behind(client: Any, server: Any, raw: list[tuple[bytes, bytes]]) -> ASGIConnection[Any, Any, Any, Any]:
    scope: Any = {"type": "http", "scheme": "http", "client": client, "server": server, "headers": raw}
    Proxies(CONFIG.trusted_proxies).look_through(scope)
    return ASGIConnection(scope)


@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
        ("10.0.0.1", "nonsense", "nonsense"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::1:2:3]:4711", "2001:db8::/64"),
        ("10.0.0.1", "[2001:db8::1:2:3]", "2001:db8::/64"),
        ("10.0.0.1", "198.51.100.7, ", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::1", "2001:db8::1:2:3", "2001:db8::/64"),
        ("2001:db8::9:9", "", "2001:db8::/64"),
    ],
)
def test_address_is_the_first_untrusted_hop(client: str, forwarded: str, address: str) -> None:
    assert client_info(connection(client, x_forwarded_for=forwarded), CONFIG).address == address


@pytest.mark.parametrize("proto", ["https", "HTTPS", "https,http", "https, http", " Https "])
@pytest.mark.parametrize(("client", "is_secure"), [("10.0.0.1", True), ("192.0.2.1", False)])
def test_https_before_a_proxy_counts_when_the_proxy_is_trusted(client: str, is_secure: bool, proto: str) -> None:
    assert client_info(connection(client, x_forwarded_proto=proto), CONFIG).is_secure is is_secure


@pytest.mark.parametrize("proto", ["http", "http,https", "", "ws", "nonsense"])
def test_other_schemes_are_not_secure(proto: str) -> None:
    found = connection("10.0.0.1", x_forwarded_proto=proto)
    assert not client_info(found, CONFIG).is_secure
    assert found.scope["scheme"] == "http"


def test_client_of_a_unix_socket_is_a_trusted_proxy() -> None:
    raw = [(b"x-forwarded-for", b"198.51.100.7"), (b"x-forwarded-proto", b"https")]
    info = client_info(behind(None, ("/run/stocky.sock", None), raw), CONFIG)
    assert (info.address, info.is_secure) == ("198.51.100.7", True)
    # A TCP client that disconnected before its address was read is not a trusted proxy.
    info = client_info(behind(None, ("127.0.0.1", 8000), raw), CONFIG)
    assert (info.address, info.is_secure) == ("local", False)


@pytest.mark.parametrize(
    ("origin", "is_foreign"),
    [
        ("http://stocky.test:8000", False),
        ("https://web.example", False),
        ("http://stocky.test", True),
        ("https://stocky.test.example", True),
        ("null", True),
        ("http://[", True),
    ],
)
def test_foreign_site_is_detected_by_origin(origin: str, is_foreign: bool) -> None:
    assert (
        client_info(connection("192.0.2.1", host="stocky.test:8000", origin=origin), CONFIG).is_foreign_site
        is is_foreign
    )

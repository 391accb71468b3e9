"""Who is at the other end of the connection; what proxies say counts only from those that are trusted."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from litestar.connection import ASGIConnection
from msgspec import Struct

from stocky.config import Config

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Peer(Struct, frozen=True):
    """The client's address (of IPv6 its /64 network, which one host has for itself) and how it reached us.

    `is_foreign_site`: a browser says that a page of another site, and of no allowed origin, sent this.
    """

    address: str
    is_secure: bool
    is_foreign_site: bool


def peer_of(connection: ASGIConnection[Any, Any, Any, Any], config: Config) -> Peer:
    """The client behind the proxies."""
    address = connection.client.host if connection.client else "local"
    scheme = connection.scope["scheme"]
    proxies = [ipaddress.ip_network(proxy, strict=False) for proxy in config.trusted_proxies]
    if _is_among(address, proxies):
        scheme = connection.headers.get("x-forwarded-proto", scheme)
        # Read from our end: everything left of the first stranger is only what the stranger says.
        for hop in reversed(connection.headers.get("x-forwarded-for", "").split(",")):
            address = hop.strip() or address
            if not _is_among(address, proxies):
                break
    return Peer(_network_of(address), scheme == "https", _is_foreign(connection, config))


def _is_foreign(connection: ASGIConnection[Any, Any, Any, Any], config: Config) -> bool:
    origin = connection.headers.get("origin")
    if origin is None or origin in config.allowed_origins:
        return False
    return origin.partition("://")[2].lower() != connection.headers.get("host", "").lower()


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def _is_among(address: str, networks: Iterable[Network]) -> bool:
    ip = _ip(address)
    return ip is not None and any(ip in network for network in networks)


def _network_of(address: str) -> str:
    ip = _ip(address)
    if ip is None:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)

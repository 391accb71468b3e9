"""The client's address; forwarding headers count only from trusted proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from litestar.connection import ASGIConnection
from litestar.types import Scope
from msgspec import Struct

from stocky.config import Config

# The entry of a scope's state with the host that the client asked a trusted proxy for.
_HOST = "forwarded_host"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """The trusted proxies. A client on a unix socket counts as one: only its owner and group can connect."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """`trusted` are addresses and networks."""
        self._networks = [ipaddress.ip_network(each, strict=False) for each in trusted]
        self.are_any = bool(self._networks)
        # There are few proxies, and each sends every request.
        self._is_trusted = lru_cache(maxsize=256)(self._is_among)

    def look_through(self, scope: Scope) -> None:
        """Replaces the proxy in the scope by the client behind it, with the scheme the client used."""
        client = scope.get("client")
        if client is None:
            if not _is_unix(scope.get("server")):
                return
        elif not self._is_trusted(client[0]):
            return
        forwarded: list[str] = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-proto":
                # Each proxy of a chain may add its own; the first is the client's.
                scheme = value.decode("latin-1").partition(",")[0].strip().lower()
                if scheme in ("http", "https"):
                    scope["scheme"] = scheme
            elif name == b"x-forwarded-for":
                forwarded += value.decode("latin-1").split(",")
            elif name == b"x-forwarded-host":
                scope.setdefault("state", {})[_HOST] = value.decode("latin-1").partition(",")[0].strip()
        # From the right: everything left of the first untrusted address may be forged by it.
        for hop in reversed(forwarded):
            if address := _without_port(hop.strip()):
                scope["client"] = (address, 0)
                if not self._is_trusted(address):
                    break

    def _is_among(self, address: str) -> bool:
        ip = _ip(address)
        return ip is not None and any(ip in network for network in self._networks)


class ClientInfo(Struct, frozen=True):
    """The client's address (for IPv6 its /64 network, which one host controls) and how it connected.

    `is_foreign_site`: the browser's Origin is another site and not an allowed origin. `base_path` is Stocky's path
    prefix on its own site.
    """

    address: str
    is_secure: bool
    is_foreign_site: bool
    base_path: str = ""


def client_info(connection: ASGIConnection[Any, Any, Any, Any], config: Config) -> ClientInfo:
    """The client of a request, after `look_through`."""
    address = connection.client.host if connection.client else "local"
    is_secure = connection.scope["scheme"] == "https"
    return ClientInfo(_network_of(address), is_secure, _is_foreign(connection, config), config.base_path)


def comes_from_elsewhere(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether the browser reports that a page of another site made the request, also an allowed origin.

    Browsers send Sec-Fetch-Site only over TLS or to the own machine, and Origin with every unsafe request.
    """
    site = connection.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return True
    origin = connection.headers.get("origin")
    return origin is not None and not _is_own(connection, origin)


def _is_own(connection: ASGIConnection[Any, Any, Any, Any], origin: str) -> bool:
    """Whether an Origin names the host that the client asked; the scheme is the proxy's affair."""
    asked_for = (connection.headers.get("host"), connection.scope.get("state", {}).get(_HOST))
    return origin.partition("://")[2].lower() in {host.lower() for host in asked_for if host}


def _is_foreign(connection: ASGIConnection[Any, Any, Any, Any], config: Config) -> bool:
    origin = connection.headers.get("origin")
    if origin is None or origin in config.allowed_origins:
        return False
    return not _is_own(connection, origin)


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def _is_unix(server: tuple[str, int | None] | None) -> bool:
    """Whether the server's address is a socket path. A client that has just disconnected has no address either."""
    return server is not None and server[1] is None


def _without_port(hop: str) -> str:
    """The address in forms that some proxies send: `192.0.2.1:4711`, `[2001:db8::1]`, `[2001:db8::1]:4711`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _network_of(address: str) -> str:
    ip = _ip(address)
    if ip is None:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)

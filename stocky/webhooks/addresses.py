"""Resolves the addresses a webhook may reach; connections go to a checked address, never to a name.

A second lookup of a name may return another address. Link-local addresses, where clouds serve a machine's keys, are
never allowed; private ones only with STOCKY_WEBHOOKS_TO_PRIVATE.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

SETTING = "STOCKY_WEBHOOKS_TO_PRIVATE"
# Addresses tried for one name.
TRIED = 4
# Concurrent lookups: more than the maximum of webhooks, since a hanging resolver occupies its thread for long.
AT_ONCE = 64
# Shared address space (RFC 6598) of providers and overlay networks.
_SHARED = ipaddress.ip_network("100.64.0.0/10")
# Metadata services of cloud providers beyond link-local addresses, "this host", and deprecated private ranges.
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        ("0.0.0.0/8", "192.0.0.0/24", "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::/32", "fec0::/10"),
    )
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRejected(Exception):
    """An address that webhooks may not reach; the message has the reason for people."""


class Target(msgspec.Struct, frozen=True):
    """The destination of a URL: the host for the certificate, and the addresses to connect to, best first."""

    host: str
    addresses: list[str]


class Addresses:
    """Looks up the addresses of receivers."""

    def __init__(self, *, to_private: bool) -> None:
        self._to_private = to_private
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook addresses")

    def close(self) -> None:
        """Closes without waiting for lookups."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def of(self, host: str, port: int) -> Target:
        """The allowed addresses of a host. Raises AddressRejected without one, OSError for an unknown name."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, look_up, host, port)
        allowed = [address for address in found if may_be_reached(address, to_private=self._to_private)]
        if allowed:
            return Target(host, [str(address) for address in allowed[:TRIED]])
        is_literal = host.strip("[]") == str(found[0])
        if any(may_be_reached(address, to_private=True) for address in found):
            description = "is a private address" if is_literal else f"has the private address {found[0]}"
            raise AddressRejected(
                f"{host} {description}; webhooks are sent to public addresses only."
                f" To allow it, set {SETTING}=true and restart Stocky"
            )
        description = "is an address" if is_literal else f"has the address {found[0]}"
        raise AddressRejected(f"{host} {description} to which webhooks are never sent")


def look_up(host: str, port: int) -> list[Address]:
    """The addresses of a host, best first. Raises OSError."""
    try:
        answers: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is not a valid host name") from error
    # A link-local address has its interface after a percent sign.
    return [ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in answers]


def may_be_reached(address: Address, *, to_private: bool) -> bool:
    """Whether webhooks may be sent to the address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address.sixtofour is not None or address.teredo is not None:
            return False
    if any(address in network for network in _NEVER):
        return False
    if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
        return address.is_loopback and to_private
    if address.is_global:
        return True
    return to_private and (address.is_private or address in _SHARED)

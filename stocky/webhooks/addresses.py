"""Which addresses a webhook may reach; what is connected to is an address that was checked, never a name.

A name that is looked up twice may be answered differently. Link-local addresses, where clouds keep the keys of a
machine, are never reached; private ones only where STOCKY_WEBHOOKS_TO_PRIVATE says so.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

SETTING = "STOCKY_WEBHOOKS_TO_PRIVATE"
# Of a name with many addresses so many are tried.
TRIED = 4
# Names looked up at once: more than there may be webhooks, since one whose resolver hangs keeps its thread for long.
AT_ONCE = 64
# Between the public and the private ones: what providers and overlay networks give their members.
_SHARED = ipaddress.ip_network("100.64.0.0/10")
# Where providers answer machines of their own with keys and settings, beside the addresses of the link; and what
# means "here" or was once private.
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        ("0.0.0.0/8", "192.0.0.0/24", "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::/32", "fec0::/10"),
    )
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRejected(Exception):
    """It may not be sent there; the message says why, for people."""


class Target(msgspec.Struct, frozen=True):
    """Where a URL leads: the host as a certificate names it, and the addresses to connect to, best first."""

    host: str
    addresses: list[str]


class Addresses:
    """Looks up the addresses of receivers."""

    def __init__(self, *, to_private: bool) -> None:
        self._to_private = to_private
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook addresses")

    def close(self) -> None:
        """Waits for no one."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def of(self, host: str, port: int) -> Target:
        """The addresses that may be connected to. Raises AddressRejected when there is none, OSError for no name."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, look_up, host, port)
        allowed = [address for address in found if may_be_reached(address, to_private=self._to_private)]
        if allowed:
            return Target(host, [str(address) for address in allowed[:TRIED]])
        is_literal = host.strip("[]") == str(found[0])
        if any(may_be_reached(address, to_private=True) for address in found):
            place = "is a private address" if is_literal else f"is at the private address {found[0]}"
            raise AddressRejected(
                f"{host} {place}, and webhooks are sent to public ones only;"
                f" if that is meant, set {SETTING}=true and restart Stocky"
            )
        place = "is an address" if is_literal else f"is at {found[0]}"
        raise AddressRejected(f"{host} {place}, to which nothing is ever sent")


def look_up(host: str, port: int) -> list[Address]:
    """The addresses of a host, best first. Raises OSError."""
    try:
        answers: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is no name") from error
    # An address of a link names its interface behind a percent sign.
    return [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in answers]


def may_be_reached(address: Address, *, to_private: bool) -> bool:
    """Whether something may be sent there."""
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

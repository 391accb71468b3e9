"""Which addresses Stocky may contact on behalf of people: public ones, and private ones where allowed.

Link-local addresses, where clouds serve a machine's keys, are never allowed.
"""

from __future__ import annotations

import ipaddress

# Allows private addresses to webhooks, notices and datasheets.
TO_PRIVATE_SETTING = "STOCKY_WEBHOOKS_TO_PRIVATE"
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


def may_be_reached(address: Address, *, to_private: bool) -> bool:
    """Whether the address may be contacted."""
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

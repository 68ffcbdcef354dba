"""Which network addresses a document may be fetched from: public ones, however they are spelled."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

#: Well-known prefix under which IPv4 addresses are reached over IPv6 (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")


def literal(host: str) -> Address | None:
    """Return the address a host name spells out, None for a real name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_odd_literal(host: str) -> bool:
    """Say whether ``host`` is an IPv4 address in a form only old parsers take: ``127.1``, ``0x7f000001``."""
    if literal(host) is not None:
        return False
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner or address


def is_public(address: Address) -> bool:
    """Say whether an address belongs to the public internet.

    Loopback, private, link-local (cloud metadata), shared, multicast, reserved and unspecified ones do not.
    """
    found = unwrapped(address)
    if isinstance(found, IPv6Address) and found.is_site_local:
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved

"""Addresses: who may use an api key from where, and who counts as one sender."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

__all__ = ["Network", "contains", "parse_network", "sender_of"]

Network = IPv4Network | IPv6Network

_IPV6_SITE = 64  # bits that a host has to itself, so all its addresses are one sender


def parse_network(text: str) -> Network:
    """An address, or a network in CIDR form; raises ValueError, also for host bits behind the prefix."""
    return ip_network(text.strip())


def contains(networks: Iterable[Network], host: str | None) -> bool:
    """Whether the address lies in one of the networks; what is no address (a Unix socket's) lies in none."""
    address = _address(host)
    return address is not None and any(address in network for network in networks)


def sender_of(host: str | None) -> str:
    """What counts as one sender: an IPv4 address, the /64 around an IPv6 address, all that have no address together."""
    address = _address(host)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_SITE), strict=False))
    return str(address) if address is not None else "local"


def _address(host: str | None) -> IPv4Address | IPv6Address | None:
    """The address; an IPv4 one that comes mapped into IPv6 (RFC 4291, 2.5.5.2) is itself."""
    try:
        address = ip_address((host or "").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

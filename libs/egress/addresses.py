"""Which addresses belong to the internet at large, and to nobody's inside.

`ipaddress.is_global` follows the IANA registries of special-purpose addresses (RFC 6890), each Python version those of
its day. So it must agree, and what it leaves out or came later is named here. Of IPv6 only what is handed out as
global unicast passes (2000::/3, RFC 4291), less the parts of it that carry an IPv4 address or stand for examples.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

__all__ = ["Address", "Network", "is_public"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers, and by clusters
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: the metadata servers of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",  # discard
        "2001::/23",  # Teredo (2001::/32) and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation, RFC 9637
        "5f00::/16",  # segment routing
        "fc00::/7",  # unique local
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local
        "ff00::/8",  # multicast
    )
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


def is_public(address: Address, denied: Iterable[Network] = ()) -> bool:
    """Whether a caller may make us connect to this address; `denied` are the operator's own networks."""
    if not address.is_global or address.is_multicast:
        return False
    if address.version == 6 and address not in _GLOBAL_UNICAST:  # noqa: PLR2004  # the version of the protocol
        return False
    return not any(address in network for network in (*_REFUSED, *denied))

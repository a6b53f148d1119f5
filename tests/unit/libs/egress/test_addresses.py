"""Which addresses are the internet's, held against a list of its own: integers and masks, no `ipaddress`."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.egress.addresses import is_public

#: First and last address of every block that is not for callers, by hand from the IANA special-purpose registries.
REFUSED_V4 = """
    0.0.0.0 0.255.255.255    10.0.0.0 10.255.255.255        100.64.0.0 100.127.255.255
    127.0.0.0 127.255.255.255    169.254.0.0 169.254.255.255    172.16.0.0 172.31.255.255
    192.0.0.0 192.0.0.255    192.0.2.0 192.0.2.255    192.31.196.0 192.31.196.255    192.52.193.0 192.52.193.255
    192.88.99.0 192.88.99.255    192.168.0.0 192.168.255.255    192.175.48.0 192.175.48.255
    198.18.0.0 198.19.255.255    198.51.100.0 198.51.100.255    203.0.113.0 203.0.113.255
    224.0.0.0 255.255.255.255
"""


def number(dotted: str) -> int:
    a, b, c, d = (int(part) for part in dotted.split("."))
    return a << 24 | b << 16 | c << 8 | d


SPANS_V4 = [(number(a), number(b)) for a, b in zip(REFUSED_V4.split()[::2], REFUSED_V4.split()[1::2], strict=True)]


def expected_v4(value: int) -> bool:
    return not any(first <= value <= last for first, last in SPANS_V4)


def expected_v6(value: int) -> bool:
    """Of IPv6 it is the other way round: 2000::/3 passes, less some blocks."""
    if value >> 125 != 0b001:
        return False
    if value >> 105 == 0x2001 << 7:  # 2001::/23, Teredo among it
        return False
    return not (
        value >> 96 == 0x20010DB8 or value >> 112 == 0x2002 or value >> 80 == 0x2620004F8000 or value >> 108 == 0x3FFF0
    )


@given(st.integers(0, 2**32 - 1))
def test_a_random_ipv4_address_passes_only_when_the_registry_lets_it(value: int) -> None:
    assert is_public(ipaddress.IPv4Address(value)) == expected_v4(value)


@pytest.mark.parametrize("edge", sorted({edge for span in SPANS_V4 for edge in span}))
def test_the_edges_of_every_ipv4_block(edge: int) -> None:
    for value in (edge - 1, edge, edge + 1):
        if 0 <= value < 2**32:
            assert is_public(ipaddress.IPv4Address(value)) == expected_v4(value), ipaddress.IPv4Address(value)


def prefixed(prefix: int, bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2 ** (128 - bits) - 1).map(lambda rest: prefix << (128 - bits) | rest)


ANY_V6 = st.one_of(
    st.integers(0, 2**128 - 1),
    prefixed(0b001, 3),
    prefixed(0x2001, 16),
    prefixed(0x20010DB8, 32),
    prefixed(0x2002, 16),
    prefixed(0x0064FF9B, 32),
    prefixed(0xFEC0 >> 6, 10),
    prefixed(0, 80),
    prefixed(0x2620004F, 32),
    prefixed(0x3FFF, 16),
)


@given(ANY_V6)
@example(int(ipaddress.IPv6Address("2606:4700:4700::1111")))
@example(int(ipaddress.IPv6Address("2001:0:7f00:1::")))
@example(int(ipaddress.IPv6Address("2001:1ff:ffff::1")))
@example(int(ipaddress.IPv6Address("2001:200::1")))
def test_a_random_ipv6_address_passes_only_when_the_registry_lets_it(value: int) -> None:
    assert is_public(ipaddress.IPv6Address(value)) == expected_v6(value)


@given(st.integers(0, 2**32 - 1))
def test_no_ipv4_address_passes_in_the_clothes_of_ipv6(value: int) -> None:
    clothes: list[Callable[[int], int]] = [
        lambda v: v,  # IPv4-compatible
        lambda v: 0xFFFF << 32 | v,  # IPv4-mapped
        lambda v: 0xFFFF << 48 | v,  # IPv4-translated
        lambda v: 0x0064FF9B << 96 | v,  # NAT64
        lambda v: 0x0064FF9B0001 << 80 | v,  # NAT64 of a local kind
        lambda v: 0x2002 << 112 | v << 80 | 1,  # 6to4
        lambda v: 0x20010000 << 96 | v ^ 0xFFFFFFFF,  # Teredo
    ]
    assert not any(is_public(ipaddress.IPv6Address(dress(value))) for dress in clothes)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001::1"]
)
def test_the_internet_passes(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_networks_of_the_operators_own_are_refused_besides() -> None:
    own = (ipaddress.ip_network("93.184.215.0/24"), ipaddress.ip_network("2a00:1450::/32"))
    assert not is_public(ipaddress.ip_address("93.184.215.14"), own)
    assert not is_public(ipaddress.ip_address("2a00:1450:4001::1"), own)
    assert is_public(ipaddress.ip_address("93.184.216.14"), own)

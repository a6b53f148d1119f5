from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.access.networks import contains, parse_network, sender_of


@pytest.mark.parametrize(
    "networks, host, inside",
    [
        (["10.0.0.0/8"], "10.1.2.3", True),
        (["10.0.0.0/8"], "11.1.2.3", False),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["192.0.2.1"], "192.0.2.1", True),
        (["192.0.2.1"], "192.0.2.2", False),
        (["2001:db8::/32"], "2001:db8:1::1", True),
        (["2001:db8::/32"], "10.1.2.3", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["0.0.0.0/0", "::/0"], "testclient", False),
        (["0.0.0.0/0"], None, False),
        ([], "10.1.2.3", False),
    ],
)
def test_an_address_lies_in_a_network_or_not(networks: list[str], host: str | None, inside: bool) -> None:
    assert contains(map(parse_network, networks), host) is inside


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "", "example.com", "10.0.0", "::1/64"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_network(text)


@pytest.mark.parametrize(
    "host, sender",
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        (None, "local"),
        ("testclient", "local"),
    ],
)
def test_a_sender_is_an_address_or_a_site(host: str | None, sender: str) -> None:
    assert sender_of(host) == sender


@given(st.text())
def test_no_text_upsets_it(host: str) -> None:
    assert sender_of(host)
    assert contains([parse_network("10.0.0.0/8")], host) in (True, False)

from __future__ import annotations

import pytest

from apps.api.server.crowd import Crowd


def test_an_address_has_so_many_connections_and_gets_more_as_it_closes_some() -> None:
    crowd = Crowd(2)
    first = crowd.enter("192.0.2.1")
    assert first is not None
    assert crowd.enter("192.0.2.1") is not None
    assert crowd.enter("192.0.2.1") is None
    assert crowd.enter("192.0.2.2") is not None
    crowd.leave(first)
    assert crowd.enter("192.0.2.1") is not None


def test_an_ipv6_site_is_one_address() -> None:
    crowd = Crowd(1)
    assert crowd.enter("2001:db8::1") is not None
    assert crowd.enter("2001:db8::2") is None
    assert crowd.enter("2001:db8:0:1::2") is not None


@pytest.mark.parametrize("spared", [["192.0.2.0/24"], ["192.0.2.1"], ["*"], ["a-name", "192.0.2.1"]])
def test_trusted_proxies_are_not_counted(spared: list[str]) -> None:
    crowd = Crowd(1, spared)
    for _ in range(5):
        entered = crowd.enter("192.0.2.1")
        assert entered is not None
    crowd.leave("")
    assert (crowd.enter("198.51.100.1"), crowd.enter("198.51.100.1") is None) == (
        ("", False) if spared == ["*"] else ("198.51.100.1", True)
    )


def test_nothing_is_kept_of_who_has_gone() -> None:
    crowd = Crowd(1)
    for n in range(100):
        sender = crowd.enter(f"192.0.2.{n}")
        assert sender is not None
        crowd.leave(sender)
    assert not crowd._open

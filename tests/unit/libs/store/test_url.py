from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.store.url import Address, Login, Tls, parse_url


@pytest.mark.parametrize(
    "url, address",
    [
        ("redis://", Address(hosts=(("localhost", 6379),))),
        ("redis://cache", Address(hosts=(("cache", 6379),))),
        ("redis://cache:7000/3", Address(hosts=(("cache", 7000),), db=3)),
        ("redis://cache/?db=4", Address(hosts=(("cache", 6379),), db=4)),
        ("redis://[::1]:7000", Address(hosts=(("::1", 7000),))),
        ("redis://:p%40ss%2Fw@cache", Address(hosts=(("cache", 6379),), login=Login(None, "p@ss/w"))),
        ("redis://me:pass@cache", Address(hosts=(("cache", 6379),), login=Login("me", "pass"))),
        ("redis://cache?username=me&password=a%26b", Address(hosts=(("cache", 6379),), login=Login("me", "a&b"))),
        ("rediss://cache", Address(hosts=(("cache", 6379),), tls=Tls())),
        (
            "rediss://cache?ssl_ca_certs=/ca.pem&ssl_cert_reqs=none&ssl_check_hostname=False",
            Address(hosts=(("cache", 6379),), tls=Tls("/ca.pem", required=False, check_hostname=False)),
        ),
        (
            "rediss://cache?ssl_certfile=/c&ssl_keyfile=/k",
            Address(hosts=(("cache", 6379),), tls=Tls(certfile="/c", keyfile="/k")),
        ),
        ("unix:///run/redis.sock", Address(socket="/run/redis.sock")),
        ("unix://:x@/run/my%20redis.sock?db=2", Address(socket="/run/my redis.sock", db=2, login=Login(None, "x"))),
        ("unix:///s?db=1&password=x", Address(socket="/s", db=1, login=Login(None, "x"))),
        (
            "redis+sentinel://:x@a:1,b/main/2?sentinel_password=y",
            Address(
                hosts=(("a", 1), ("b", 26379)),
                service="main",
                db=2,
                login=Login(None, "x"),
                sentinel_login=Login(None, "y"),
            ),
        ),
        ("rediss+sentinel://a,[::1]:5/main", Address(hosts=(("a", 26379), ("::1", 5)), service="main", tls=Tls())),
    ],
)
def test_the_forms_of_a_url(url: str, address: Address) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize(
    "url, hint",
    [
        ("", "must start with"),
        ("localhost:6379", "must start with"),
        ("http://:hush@cache", "must start with"),
        ("redis://cache/zero", "database"),
        ("redis://cache/-1", "database"),
        ("redis://cache/0/1", "path"),
        ("redis://cache:hush", "port"),
        ("redis://cache:70000", "port"),
        ("redis://:hu#sh@cache", "percent-encode"),
        ("redis://:hush@[cache", "percent-encode"),
        ("redis://:hu/sh@cache", "percent-encode"),
        ("redis://hush@cache", "user without a password"),
        ("redis://a,b", "redis\\+sentinel"),
        ("redis+sentinel://a,b", "service"),
        ("redis+sentinel://a,b/main/x", "database"),
        ("unix://run/redis.sock", "three slashes"),
        ("unix://", "three slashes"),
        ("rediss://cache?ssl_cert_reqs=optional", "ssl_cert_reqs"),
        ("rediss://cache?ssl_check_hostname=maybe", "ssl_check_hostname"),
        ("redis://cache?timeout=5", "timeout"),
        ("redis://cache?hush", "percent-encode"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_without_the_password(url: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint) as raised:
        parse_url(url)
    said = str(raised.value)
    assert "\n" not in said
    assert not re.search("hu.?sh", said)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_an_address_is_shown_without_its_secrets() -> None:
    for url in ("redis://me:hush@cache:7000/3", "redis+sentinel://:hush@a,[::1]/main?sentinel_password=hush"):
        address = parse_url(url)
        assert "hush" not in f"{address} {address!r}"
    assert str(parse_url("redis://me:hush@cache:7000/3")) == "cache:7000"
    assert str(parse_url("redis+sentinel://a,[::1]:5/main")) == "main of the sentinels a:26379,[::1]:5"
    assert str(parse_url("unix:///run/redis.sock")) == "/run/redis.sock"


@given(st.text())
def test_no_text_makes_it_fail_in_another_way(text: str) -> None:
    for url in (text, "redis://" + text, "redis+sentinel://" + text, "unix://" + text, "rediss://cache?" + text):
        with suppress(ValueError):
            parse_url(url)

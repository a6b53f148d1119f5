"""URLs as attackers write them, one by one. What passes has one spelling; what has two meanings does not pass."""

# ruff: noqa: RUF001  # letters that look like others are what is tested

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.egress.target import Rules, Target, UrlError, parse_target

HTTPS_ONLY = Rules()
HTTP_TOO = Rules.of(http_allowed=True)

REFUSED = [
    # Loopback, private, link-local, as they are
    "http://127.0.0.1/",
    "https://127.0.0.1:8443/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://0.0.0.0/",
    "http://255.255.255.255/",
    "http://224.0.0.1/",
    "http://192.0.0.192/",
    "http://198.18.0.1/",
    # The same in spellings that inet_aton and browsers read
    "http://0177.0.0.1/",
    "http://0x7f.0.0.1/",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://017700000001/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0x/",
    "http://127.0.0.01/",
    "http://127.0.0.1./",
    "http://1.1.1.1./",
    "http://1.1.1.0x1/",
    "http://example.1/",
    "http://example.0x7f/",
    "http://256.256.256.256/",
    "http://1.1.1.1.1/",
    "http://4294967297/",
    # IPv6 in every dress
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::8.8.8.8]/",
    "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::1]/",
    "http://[2001:0:7f00:1::1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[2606:4700::1%25lo]/",
    "http://[fec0::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[::1/",
    "http://::1/",
    "http://[[::1]]/",
    "http://[1.1.1.1]/",
    "http://[v1.fe80]/",
    # Names that are not public ones
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://redis/",
    "http://metadata/",
    "http://example.com./",
    "http://.example.com/",
    "http://example..com/",
    "http://-example.com/",
    "http://example-.com/",
    f"http://{'a' * 64}.example/",
    f"http://{'a.' * 127}example/",
    # Letters that only look like ASCII, or turn into it
    "http://１２７.０.０.１/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://127｡0｡0｡1/",
    "http://exampl\u00e9.com/",
    "http://\u212aube.example/",
    "http://lo\u017fcalhost.example/",
    "http://exa\u00admple.com/",
    "http://example.com\u200b/",
    "http://ex\u202eample.com/",
    "http://xn--\u00fc.example/",
    # Two hosts in one URL
    "http://user@example.com/",
    "http://user:password@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1@example.com/",
    "http://example.com:80@127.0.0.1/",
    "http://example.com%40127.0.0.1/",
    "http://example.com\\@127.0.0.1/",
    "http:\\\\127.0.0.1/",
    "http:/\\127.0.0.1/",
    "http://example.com\\.internal/",
    "http:///127.0.0.1/",
    "http:127.0.0.1/",
    "//127.0.0.1/",
    "http://@127.0.0.1/",
    "http://:@127.0.0.1/",
    "http://example.com#@127.0.0.1:22/".replace("#", " #"),
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%00.example.com/",
    "http://example.com%2f@127.0.0.1/",
    # Ports
    "http://example.com:22/",
    "http://example.com:6379/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:99999/",
    "http://example.com:080a/",
    "http://example.com:-1/",
    "http://example.com:４４３/",
    "http://example.com:443:22/",
    # Schemes
    "file:///etc/passwd",
    "gopher://example.com/_x",
    "ftp://example.com/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "ws://example.com/",
    "httpss://example.com/",
    "unix:///var/run/docker.sock",
    "example.com/picture.png",
    "",
    " ",
    # What ends a line ends a request
    "http://example.com/\r\nHost: 127.0.0.1",
    "http://example.com/a b",
    "http://exam\tple.com/",
    "http://example.com/\x00",
    " http://example.com/",
    "http://example.com/ ",
    "http://example.com/\u2028",
    "http://example.com\u3002internal/",
    f"http://example.com/{'a' * 2_048}",
]


@pytest.mark.parametrize("url", REFUSED)
def test_it_is_refused_even_where_http_is_allowed(url: str) -> None:
    with pytest.raises(UrlError):
        parse_target(url, HTTP_TOO)


def test_there_are_sixty_of_them_and_more() -> None:
    assert len(set(REFUSED)) == len(REFUSED) >= 60


@pytest.mark.parametrize(
    "url, target",
    [
        ("https://example.com", Target("https", "example.com", 443, "/")),
        ("HTTPS://EXAMPLE.com/A", Target("https", "example.com", 443, "/A")),
        ("https://example.com:8443/a?b=c", Target("https", "example.com", 8443, "/a?b=c")),
        ("https://example.com?b=//127.0.0.1/", Target("https", "example.com", 443, "/?b=//127.0.0.1/")),
        ("https://example.com/a#@127.0.0.1/", Target("https", "example.com", 443, "/a")),
        ("https://example.com#@127.0.0.1/", Target("https", "example.com", 443, "/")),
        ("https://example.com/a%20b%2Fc", Target("https", "example.com", 443, "/a%20b%2Fc")),
        ("https://example.com/ü", Target("https", "example.com", 443, "/%C3%BC")),
        ("https://xn--bcher-kva.example/", Target("https", "xn--bcher-kva.example", 443, "/")),
        ("https://1.1.1.1/", Target("https", "1.1.1.1", 443, "/")),
        ("https://[2606:4700:4700:0:0:0:0:1111]/", Target("https", "2606:4700:4700::1111", 443, "/")),
        ("https://example.com/@user:x@y", Target("https", "example.com", 443, "/@user:x@y")),
        ("https://127.0.0.1.example.com/", Target("https", "127.0.0.1.example.com", 443, "/")),
    ],
)
def test_it_is_read_so(url: str, target: Target) -> None:
    assert parse_target(url, HTTPS_ONLY) == target


def test_http_needs_a_setting() -> None:
    with pytest.raises(UrlError):
        parse_target("http://example.com/", HTTPS_ONLY)
    assert parse_target("http://example.com/", HTTP_TOO).port == 80


def test_a_host_that_an_operator_named_may_be_private_and_have_its_port() -> None:
    rules = Rules.of(hosts=("files.internal", "127.0.0.1:9000", "[::1]:9000", "minio"))
    for url in ("http://files.internal:9999/a", "http://127.0.0.1:9000/a", "http://[0::1]:9000/a", "http://minio/a"):
        parse_target(url, rules)
    for url in (
        "http://127.0.0.1:9001/a",
        "http://127.0.0.1/a",
        "http://x.files.internal/a",
        "http://files.internal:0/",
    ):
        with pytest.raises(UrlError):
            parse_target(url, rules)


def test_the_networks_of_an_operator_are_refused_as_literals() -> None:
    rules = Rules.of(denied=("93.184.215.0/24",))
    with pytest.raises(UrlError):
        parse_target("https://93.184.215.14/", rules)


@pytest.mark.parametrize("entry", ["http://files.internal", "files.internal/", "*.internal", "127.1", "", "a b"])
def test_a_named_host_that_means_nothing_is_refused_at_start_up(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Rules.of(hosts=(entry,))


@pytest.mark.parametrize(
    "url, header",
    [
        ("https://example.com/", "example.com"),
        ("https://example.com:8443/", "example.com:8443"),
        ("https://example.com:80/", "example.com:80"),
        ("https://[2606:4700::1]/", "[2606:4700::1]"),
    ],
)
def test_the_host_header_keeps_the_name(url: str, header: str) -> None:
    assert parse_target(url, HTTPS_ONLY).host_header == header


HOSTISH = st.text(alphabet="0123456789abcdefx.:[]@%/\\#?-_ ＠。", max_size=40)


@given(HOSTISH, st.sampled_from(["", "/", "/a"]))
def test_whatever_passes_goes_to_a_public_name_or_address_on_a_public_port(host: str, path: str) -> None:
    try:
        target = parse_target(f"https://{host}{path}", HTTPS_ONLY)
    except UrlError:
        return
    assert target.port in {80, 443, 8443}
    assert target.path.startswith("/")
    assert target.host.isascii()
    # Said again in its one spelling, it is the same target.
    assert parse_target(f"https://{target.authority}{target.path}", HTTPS_ONLY) == target

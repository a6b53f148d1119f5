"""A URL that a caller chose, parsed once: what is parsed here is what is connected to, nothing reads the text again.

Stricter than browsers (the WHATWG's URL standard) and than RFC 3986: whatever two readers might take for two
different hosts is refused, so there is one spelling of each host.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from libs.egress.addresses import Address, Network, is_public

__all__ = ["URL_LENGTH_MAX", "Rules", "Target", "UrlError", "parse_target"]

URL_LENGTH_MAX = 2_048
#: HTTPS, HTTP, and the one other port that public servers of either use.
PORTS = frozenset({80, 443, 8443})
_ANY_PORT = range(1, 65_536)

_HOST_LENGTH_MAX = 253
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>[/?][^#\s]*)?(?:#.*)?",
    re.IGNORECASE | re.ASCII,
)
_LABEL = re.compile(r"[0-9a-z_](?:[0-9a-z_-]{0,61}[0-9a-z_])?", re.ASCII)
#: What ends so is read as a number by browsers and by inet_aton: octal, hexadecimal, short or whole.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
#: What may stand in a path or a query as it is (RFC 3986, and what browsers leave alone there); the rest is escaped.
_PLAIN = "!$%&'()*+,-./:;=?@[]_|~^`{}<>\""
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")

Scheme = Literal["http", "https"]
_PORT_OF: dict[Scheme, int] = {"http": 80, "https": 443}


class UrlError(ValueError):
    """A URL that nothing is fetched from; its text is for whoever chose the URL."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What callers may make us reach.

    `hosts_allowed` are hosts, or `host:port`, that may have private addresses, other ports and plain http: an operator
    named them. `networks_denied` are refused besides everything that is not the internet's.
    """

    http_allowed: bool = False
    hosts_allowed: frozenset[str] = frozenset()
    networks_denied: tuple[Network, ...] = ()

    @classmethod
    def of(cls, *, http_allowed: bool = False, hosts: tuple[str, ...] = (), denied: tuple[str, ...] = ()) -> Rules:
        """The rules from the texts that settings hold; raises ValueError for one that means nothing."""
        return cls(
            http_allowed, frozenset(_named(host) for host in hosts), tuple(ipaddress.ip_network(net) for net in denied)
        )

    def names(self, host: str, port: int) -> bool:
        """Whether an operator allowed this very host."""
        return host in self.hosts_allowed or f"{_bracketed(host)}:{port}" in self.hosts_allowed

    def admits(self, address: Address) -> bool:
        """Whether a host that nobody named may have this address."""
        return is_public(address, self.networks_denied)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `host` is a name in lower case or an address without brackets; `path` has the query."""

    scheme: Scheme
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port, as in a URL."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def host_header(self) -> str:
        """The same without a port that goes without saying."""
        return _bracketed(self.host) if self.port == _PORT_OF[self.scheme] else self.authority


def parse_target(url: str, rules: Rules) -> Target:
    """Where a URL leads; raises UrlError for one that the rules don't allow, as far as that is known without DNS."""
    if len(url) > URL_LENGTH_MAX:
        raise UrlError(f"a URL has at most {URL_LENGTH_MAX} characters")
    if _CONTROL.search(url):
        raise UrlError("a URL has no spaces, control characters or backslashes")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise UrlError("not a URL of the form https://host/path, without user and password, its host in ASCII")
    scheme: Scheme = "http" if parts["scheme"].lower() == "http" else "https"
    port = int(parts["port"] or _PORT_OF[scheme])
    host = _host(parts["host"].lower())
    _check(scheme, host, port, rules)
    return Target(scheme, host, port, _path(parts["target"]))


def _check(scheme: Scheme, host: str, port: int, rules: Rules) -> None:
    if rules.names(host, port) and port in _ANY_PORT:
        return
    if scheme == "http" and not rules.http_allowed:
        raise UrlError("only https is fetched from")
    if port not in PORTS:
        raise UrlError(f"only the ports {', '.join(map(str, sorted(PORTS)))} are fetched from")
    address = _address(host)
    if address is None and "." not in host:
        raise UrlError("the host is no public name")
    if address is not None and not rules.admits(address):
        raise UrlError("the host's address is not public")


def _host(text: str) -> str:
    """The one spelling of a host: a name, or an address in its canonical form."""
    if text.startswith("["):
        try:
            return ipaddress.IPv6Address(text[1:-1]).compressed
        except ValueError:
            raise UrlError("the host is no IPv6 address") from None
    if _NUMBER.fullmatch(text):
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            raise UrlError("an IPv4 address is four decimal numbers, without leading zeros") from None
    if len(text) > _HOST_LENGTH_MAX or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise UrlError("the host is no name")
    return text


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _path(text: str | None) -> str:
    path = quote(text or "/", safe=_PLAIN)
    return path if path.startswith("/") else f"/{path}"


def _named(entry: str) -> str:
    """A host that an operator wrote, with or without a port, in the spelling that targets have."""
    parts = re.fullmatch(r"(?P<host>\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?P<port>:[0-9]{1,5})?", entry.strip().lower())
    if parts is None:
        raise UrlError(f"{entry!r} is neither a host nor host:port")
    host = _host(parts["host"])
    return f"{_bracketed(host)}{parts['port']}" if parts["port"] else host


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host

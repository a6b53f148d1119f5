"""Where Redis is: the forms of REDIS_URL.

::

    redis://[[user]:password@]host[:6379][/db]
    rediss://…                                          the same over TLS
    unix://[[user]:password@]/path/to/socket[?db=0]
    redis+sentinel://[[user]:password@]host[:26379],host…/service[/db]
    rediss+sentinel://…

Options behind `?`, spelled as redis-py spells them: db, username, password, ssl_ca_certs, ssl_certfile, ssl_keyfile,
ssl_cert_reqs (required, none), ssl_check_hostname (true, false), and sentinel_username, sentinel_password.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

__all__ = ["Address", "Login", "Tls", "parse_url"]

_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_OPTIONS = frozenset(
    {
        *("db", "username", "password", "sentinel_username", "sentinel_password"),
        *("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"),
    }
)
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Login:
    """A user (none: Redis's `default`) and a password (none: no login at all)."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Tls:
    """How the server's certificate is checked, and our own if it wants one. Paths are of PEM files."""

    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    required: bool = True
    check_hostname: bool = True

    def context(self) -> ssl.SSLContext:
        """The context to connect with; raises OSError when a file is missing or is no certificate."""
        try:
            context = ssl.create_default_context(cafile=self.ca_certs)
            if self.certfile:
                context.load_cert_chain(self.certfile, self.keyfile)
        except OSError as error:
            raise OSError(f"the files that ssl_ca_certs, ssl_certfile and ssl_keyfile name: {error}") from None
        context.check_hostname = self.check_hostname and self.required
        if not self.required:
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class Address:
    """One Redis: a host, a unix socket, or a service that sentinels watch (its `hosts` are theirs then)."""

    hosts: tuple[tuple[str, int], ...] = ()
    socket: str | None = None
    service: str | None = None
    db: int = 0
    login: Login = field(default=Login())
    sentinel_login: Login = field(default=Login())
    tls: Tls | None = None

    def __str__(self) -> str:
        """The place without its secrets, for messages."""
        if self.socket is not None:
            return self.socket
        places = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"{self.service} of the sentinels {places}" if self.service else places


def parse_url(url: str) -> Address:
    """The address in a URL; raises ValueError with one line that never repeats the password."""
    try:
        parts = _split(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError("REDIS_URL cannot be read: percent-encode special characters of the password") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"REDIS_URL must start with one of {', '.join(s + '://' for s in _SCHEMES)}")
    if "#" in url or "@" in parts.path:
        raise ValueError("REDIS_URL has a '/' or '#' before its '@': percent-encode them as %2F and %23")
    if unknown := sorted(options.keys() - _OPTIONS):
        raise ValueError(f"REDIS_URL has options that are not known: {', '.join(unknown)}")
    return _address(parts, options)


def _split(url: str) -> SplitResult:
    """As urlsplit does, newer versions of which take an IPv6 address for all of the hosts. Raises ValueError."""
    scheme, mark, rest = url.partition("://")
    hosts = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if hosts.count("[") != hosts.count("]"):
        raise ValueError("a bracket is left open")
    return urlsplit(scheme + mark + rest[len(hosts) :])._replace(netloc=hosts)


def _address(parts: SplitResult, options: dict[str, str]) -> Address:
    userinfo, _, places = parts.netloc.rpartition("@")
    login = _login(userinfo, options)
    if parts.scheme == "unix":
        return _unix(parts.path, places, login, options)
    sentinel = parts.scheme.endswith("+sentinel")
    path = [unquote(part) for part in parts.path.split("/") if part]
    service = _service(path) if sentinel else None
    if len(path) > 1:
        raise ValueError("REDIS_URL's path may hold the number of a database and nothing else")
    hosts = [_host(place, 26_379 if sentinel else 6_379) for place in places.split(",")]
    if len(hosts) > 1 and not sentinel:
        raise ValueError("REDIS_URL may name several hosts only as redis+sentinel://")
    return Address(
        hosts=tuple(hosts),
        service=service,
        db=_db(path[0] if path else options.get("db", "0")),
        login=login,
        sentinel_login=Login(options.get("sentinel_username"), options.get("sentinel_password")),
        tls=_tls(options) if parts.scheme.startswith("rediss") else None,
    )


def _unix(path: str, places: str, login: Login, options: dict[str, str]) -> Address:
    if places or not path.strip("/"):
        raise ValueError("REDIS_URL names no socket: write unix:///path/to/socket, with three slashes")
    return Address(socket=unquote(path), db=_db(options.get("db", "0")), login=login)


def _service(path: list[str]) -> str:
    """Takes the first part off the path."""
    if not path:
        raise ValueError("REDIS_URL names no service: write redis+sentinel://host:26379/service")
    return path.pop(0)


def _login(userinfo: str, options: dict[str, str]) -> Login:
    user, colon, password = userinfo.partition(":")
    if userinfo and not colon:
        raise ValueError("REDIS_URL has a user without a password: write redis://:password@host for a password alone")
    return Login(
        unquote(user) or options.get("username") or None,
        unquote(password) or options.get("password") or None,
    )


def _host(place: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        port = parts.port or port
    except ValueError:
        raise ValueError(f"REDIS_URL's port must be a number from 1 to {_PORT_MAX}") from None
    return parts.hostname or "localhost", port


def _db(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("REDIS_URL's database must be a number, such as /0")
    return int(text)


def _tls(options: dict[str, str]) -> Tls:
    required = options.get("ssl_cert_reqs", "required")
    if required not in {"required", "none"}:
        raise ValueError("REDIS_URL's ssl_cert_reqs must be required or none")
    checked = options.get("ssl_check_hostname", "true").lower()
    if checked not in {"true", "false"}:
        raise ValueError("REDIS_URL's ssl_check_hostname must be true or false")
    return Tls(
        ca_certs=options.get("ssl_ca_certs"),
        certfile=options.get("ssl_certfile"),
        keyfile=options.get("ssl_keyfile"),
        required=required == "required",
        check_hostname=checked == "true",
    )

"""Requests to addresses that callers choose.

No redirect is followed unseen, no proxy is asked, no cookie and no credential of ours is sent, and one connection
serves one request. What goes wrong is a Failure whose text tells nothing of addresses, names or answers.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from urllib.parse import urljoin

import httpcore

from libs.artifacts.sniff import sniff
from libs.egress.body import read_body
from libs.egress.dial import Dial, Resolve, resolve
from libs.egress.target import Rules, Target, UrlError, parse_target
from libs.errors import Failure

__all__ = ["Egress", "Fetched", "Posted"]

HOPS_MAX = 3

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({408, 425, 429, *range(500, 600)})
#: How much of an answer to a POST is read: nothing of it is kept.
_DISCARDED_BYTES_MAX = 64 * 1024
_HTTPS_ONLY = Rules()
_AGENT = ("User-Agent", "arqade")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file, whole; its type is told from its bytes, whatever the server called it."""

    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Posted:
    """The answer to a POST: its status, and its `Retry-After` as it came."""

    status: int
    retry_after: str | None


class Egress:
    """The guarded client. `fetch_s` and `post_s` bound a call as a whole, name look-up, redirects and body included."""

    def __init__(
        self,
        rules: Rules = _HTTPS_ONLY,
        *,
        resolver: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        fetch_s: float = 20.0,
        post_s: float = 15.0,
    ) -> None:
        """Connect to nothing yet; `tls` replaces the certificates that are trusted."""
        self._rules = rules
        self._dial = partial(Dial, rules, resolver)
        self._tls = tls
        self._fetch_s = fetch_s
        self._post_s = post_s

    async def fetch(self, url: str, *, bytes_max: int, types: Collection[str]) -> Fetched:
        """GET a file of one of these types, following at most three redirects; raises Failure."""
        async with _bounded(self._fetch_s):
            data = await self._get(url, bytes_max)
        content_type = sniff(data)
        if content_type not in types:
            wanted = ", ".join(sorted(types))
            raise Failure(
                "url_wrong_type", f"The URL leads to {content_type}, and one of {wanted} is wanted", fault="caller"
            )
        return Fetched(data, content_type)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Posted:
        """POST, and the answer, whatever its status: no redirect is followed. Raises Failure without one."""
        async with (
            _bounded(self._post_s),
            self._answer("POST", self._target(url), headers, body) as answer,
        ):
            await _discard(answer)
            return Posted(answer.status, _header(answer, b"retry-after"))

    async def _get(self, url: str, bytes_max: int) -> bytes:
        for _hop in range(1 + HOPS_MAX):
            target = self._target(url)
            asked = {"Accept": "*/*", "Accept-Encoding": "identity"}
            async with self._answer("GET", target, asked) as answer:
                location = _header(answer, b"location")
                if answer.status not in _REDIRECTS or not location:
                    _require_ok(answer.status)
                    return await _read(answer, bytes_max)
                url = _joined(target, location)
        raise Failure("url_redirects", f"The URL redirects more than {HOPS_MAX} times", fault="caller")

    def _target(self, url: str) -> Target:
        try:
            return parse_target(url, self._rules)
        except UrlError as error:
            raise Failure("url_not_allowed", f"The URL is not allowed: {error}", fault="caller") from None

    @asynccontextmanager
    async def _answer(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[httpcore.Response]:
        self._tls = self._tls or httpcore.default_ssl_context()
        told = [("Host", target.host_header), _AGENT, *headers.items()]
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        async with (
            aclosing(self._dial()) as dial,
            httpcore.AsyncHTTPConnection(url.origin, ssl_context=self._tls, network_backend=dial) as connection,
            connection.stream(method, url, headers=told, content=body) as answer,
        ):
            yield answer


@asynccontextmanager
async def _bounded(seconds: float) -> AsyncIterator[None]:
    """Within this time, and with every error of the way told in our words."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Failure(
            "url_timed_out", f"The URL took longer than {seconds:g} s", retryable=True, fault="caller"
        ) from None
    except httpcore.LocalProtocolError:
        raise Failure("url_not_allowed", "The request cannot be sent as it is", fault="caller") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError):
        detail = "The URL's host broke the connection, or does not speak HTTP"
        raise Failure("url_unreachable", detail, retryable=True, fault="caller") from None


def _require_ok(status: int) -> None:
    if status != HTTPStatus.OK:
        again = status in _TRY_AGAIN
        raise Failure("url_refused", f"The URL was answered with status {status}", retryable=again, fault="caller")


async def _read(answer: httpcore.Response, bytes_max: int) -> bytes:
    declared = _header(answer, b"content-length") or ""
    if declared.isdecimal() and int(declared) > bytes_max:
        raise Failure("url_too_large", f"What the URL leads to is larger than {bytes_max} bytes", fault="caller")
    return await read_body(answer.aiter_stream(), _header(answer, b"content-encoding") or "", bytes_max)


async def _discard(answer: httpcore.Response) -> None:
    """Read a little of an answer, so that its sender is not cut off in the middle of a short one."""
    left = _DISCARDED_BYTES_MAX
    async for chunk in answer.aiter_stream():
        left -= len(chunk)
        if left < 0:
            return


def _header(answer: httpcore.Response, name: bytes) -> str | None:
    """A header's value; several of one name count as a list (RFC 9110, 5.3)."""
    found = [value for field, value in answer.headers if field.lower() == name]
    return b", ".join(found).decode("latin-1") if found else None


def _joined(target: Target, location: str) -> str:
    try:
        return urljoin(f"{target.scheme}://{target.authority}{target.path}", location)
    except ValueError:
        raise Failure("url_redirects", "The URL redirects to something that is no URL", fault="caller") from None

"""Requests to the bucket that minio-py has no public call for, signed by us and sent over the same connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

import urllib3
from minio.error import InvalidResponseError, S3Error

from libs.artifacts.address import Address
from libs.artifacts.pool import ObjectPool
from libs.artifacts.signature import Signer

__all__ = ["Requests", "member", "texts"]

_ANSWER_BYTES_MAX = 16 * 1024 * 1024  # a thousand parts, or as many uploads, with room


@dataclass(frozen=True, slots=True)
class Requests:
    """Sends to one bucket. Everything here blocks: call it in a thread."""

    address: Address
    signer: Signer
    pool: ObjectPool

    def send(
        self,
        method: str,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> bytes:
        """The body of the answer; raises what minio-py raises for an answer that is no success."""
        signed = self.signer.headers(
            method,
            self.address.reached_at,
            self.address.path(name),
            query=query or {},
            headers={**(headers or {}), **({"Content-Length": str(len(body))} if body else {})},
            body=body,
            at=datetime.now(UTC),
        )
        return self._answer(method, name, query or {}, signed, body)

    def send_unsigned(self, method: str, name: str = "", *, query: Mapping[str, str] | None = None) -> int:
        """The status that somebody without any key is answered with."""
        response = self._open(method, name, query or {}, {"Host": self.address.reached_at}, b"")
        return response.status

    def _answer(
        self, method: str, name: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> bytes:
        response = self._open(method, name, query, headers, body)
        data: bytes = response.data[:_ANSWER_BYTES_MAX]
        if response.status < HTTPStatus.MULTIPLE_CHOICES:
            return data
        kind = response.headers.get("content-type", "")
        if "xml" not in kind or not data:
            raise InvalidResponseError(response.status, kind, None)
        raise S3Error.fromxml(response)

    def _open(
        self, method: str, name: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> urllib3.BaseHTTPResponse:
        asked = urlencode(query, quote_via=quote, safe="~")
        return self.pool.urlopen(method, self.address.url(name, asked), body=body, headers=dict(headers))


def texts(document: bytes, element: str, *members: str) -> list[tuple[str, ...]]:
    """Of every such element in a store's answer, the texts of some members, '' where one is missing.

    Stores differ in their namespaces, so none is looked at. Raises ParseError for what is no XML.
    """
    found: list[tuple[str, ...]] = []
    for each in ET.fromstring(document).iter():  # noqa: S314  # our own store; expat has limits against bombs
        if _local(each) == element:
            members_of = {_local(member): member.text or "" for member in each}
            found.append(tuple(members_of.get(member, "") for member in members))
    return found


def member(document: bytes, name: str) -> str:
    """The text of the first element of that name, '' where there is none. Raises ParseError for what is no XML."""
    elements = ET.fromstring(document).iter()  # noqa: S314  # see above
    return next((each.text or "" for each in elements if _local(each) == name), "")


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]

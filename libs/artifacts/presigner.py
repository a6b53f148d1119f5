"""URLs that let whoever has them do one thing with one object, for a while."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from libs.artifacts.address import Address
from libs.artifacts.names import attachment
from libs.artifacts.signature import Signer

__all__ = ["URL_TTL_S_MAX", "Presigner", "upload_headers"]

#: Signature Version 4 signs no URL for longer than a week.
URL_TTL_S_MAX: Final = 7 * 86_400


def upload_headers(content_type: str, size_bytes: int) -> dict[str, str]:
    """What is sent with the bytes to a URL that takes just these: it is signed, so anything else is refused."""
    return {"Content-Type": content_type, "Content-Length": str(size_bytes)}


class Presigner:
    """Signs URLs for the address that callers reach the store by. Asks nobody."""

    def __init__(self, address: Address, signer: Signer) -> None:
        self._address = address
        self._signer = signer

    def get(self, name: str, ttl_s: int, *, filename: str, content_type: str) -> str:
        """A URL that downloads an object as a file of that name and type, whatever the store believes it is."""
        answer = {"response-content-disposition": attachment(filename), "response-content-type": content_type}
        return self._url("GET", name, ttl_s, query=answer, headers={})

    def put(self, name: str, ttl_s: int, *, content_type: str, size_bytes: int) -> str:
        """A URL that writes an object of just that size and type, where the store checks what was signed."""
        return self._url("PUT", name, ttl_s, query={}, headers=upload_headers(content_type, size_bytes))

    def part(self, name: str, begun: str, number: int, ttl_s: int, *, content_type: str, size_bytes: int) -> str:
        """A URL that writes one part, counted from 1, of just that size."""
        which = {"partNumber": str(number), "uploadId": begun}
        return self._url("PUT", name, ttl_s, query=which, headers=upload_headers(content_type, size_bytes))

    def _url(self, method: str, name: str, ttl_s: int, *, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
        address = self._address
        signed = self._signer.query(
            method,
            address.reached_at,
            address.path(name),
            query=query,
            headers=headers,
            ttl_s=min(ttl_s, URL_TTL_S_MAX),
            at=datetime.now(UTC),
        )
        return address.url(name, signed)

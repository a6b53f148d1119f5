"""Signature Version 4, as the object store checks it: of a request by its headers, or of a URL by its query.

Pure computing: see "Authenticating Requests (AWS Signature Version 4)" in the reference of Amazon S3. minio-py signs
what it sends by itself; this is for what it cannot: URLs that bind the headers sent with them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

__all__ = ["UNSIGNED", "Signer"]

_ALGORITHM = "AWS4-HMAC-SHA256"
#: In the place of the body's digest: a URL is signed before anybody knows the body.
UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, and for which region. It shows its secret to nobody, not even in a traceback."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str

    def query(
        self, method: str, host: str, path: str, *, query: Mapping[str, str], headers: Mapping[str, str], ttl_s: int,
        at: datetime,
    ) -> str:  # fmt: skip
        """The query of a URL that works for `ttl_s`, and only for who sends just these `headers` beside the host."""
        signed = _lowered({**headers, "host": host})
        asked = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.access_key}/{self._scope(at)}",
            "X-Amz-Date": _stamp(at),
            "X-Amz-Expires": str(ttl_s),
            "X-Amz-SignedHeaders": ";".join(signed),
        }
        signature = self._signature(_canonical(method, path, asked, signed, UNSIGNED), at)
        return f"{_query(asked)}&X-Amz-Signature={signature}"

    def headers(
        self, method: str, host: str, path: str, *, query: Mapping[str, str], headers: Mapping[str, str],
        body: bytes, at: datetime,
    ) -> dict[str, str]:  # fmt: skip
        """The headers of a request that is sent now: the given ones, all signed, and what signs them."""
        digest = hashlib.sha256(body).hexdigest()
        sent = {**headers, "Host": host, "x-amz-content-sha256": digest, "x-amz-date": _stamp(at)}
        signed = _lowered(sent)
        signature = self._signature(_canonical(method, path, query, signed, digest), at)
        credential = f"Credential={self.access_key}/{self._scope(at)}"
        words = f"{credential},SignedHeaders={';'.join(signed)},Signature={signature}"
        return {**sent, "Authorization": f"{_ALGORITHM} {words}"}

    def _scope(self, at: datetime) -> str:
        return f"{at:%Y%m%d}/{self.region}/s3/aws4_request"

    def _signature(self, canonical: str, at: datetime) -> str:
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join((_ALGORITHM, _stamp(at), self._scope(at), digest))
        key = f"AWS4{self.secret_key}".encode()
        for part in (f"{at:%Y%m%d}", self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()


def _canonical(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], digest: str) -> str:
    lines = [f"{name}:{value}" for name, value in headers.items()]
    return "\n".join((method, quote(path, safe="/~"), _query(query), *lines, "", ";".join(headers), digest))


def _query(query: Mapping[str, str]) -> str:
    return "&".join(sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in query.items()))


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """By name in lower case, in order, runs of white space made one."""
    return {
        name.lower(): " ".join(value.split()) for name, value in sorted(headers.items(), key=lambda one: one[0].lower())
    }


def _stamp(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%SZ}"

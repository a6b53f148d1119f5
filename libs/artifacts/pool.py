"""The connections to the object store: few, with short patience, and with one oddity of S3 servers mended."""

from __future__ import annotations

from typing import Any

import urllib3

__all__ = ["ObjectPool"]

_CONNECT_S = 2.0
_READ_S = 30.0
_RETRIES_MAX = 2
_ERROR_STATUS_MIN = 300


class ObjectPool(urllib3.PoolManager):
    """urllib3's pool, with limits (its defaults, and minio-py's, wait for minutes) and one correction.

    A store that cannot be connected to is away, and its caller knows best when to try again, so only answers
    (500, 502, 503 SlowDown, 504) and connections that broke are tried again. A `Retry-After` is not obeyed here:
    it would put a thread to sleep for as long as a stranger says. Redirects are not followed, for a signature
    holds for one host alone.
    """

    def __init__(self, connections: int, *, read_s: float = _READ_S, retries: int = _RETRIES_MAX) -> None:
        """At most `connections` at once; more callers wait for one that is given back."""
        super().__init__(
            num_pools=1,
            maxsize=connections,
            block=True,
            cert_reqs="CERT_REQUIRED",
            timeout=urllib3.Timeout(connect=_CONNECT_S, read=read_s),
            retries=urllib3.Retry(
                total=retries,
                connect=0,
                read=min(1, retries),
                redirect=0,
                status_forcelist=(500, 502, 503, 504),
                backoff_factor=0.2,
                raise_on_status=False,
                respect_retry_after_header=False,
            ),
        )

    def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        """Send a request; an error told as `text/xml` (rclone) is `application/xml`, as minio-py expects it."""
        response = super().urlopen(method, url, redirect=False, **kw)
        if response.status >= _ERROR_STATUS_MIN and response.headers.get("content-type", "").startswith("text/xml"):
            response.headers["content-type"] = "application/xml"
        return response

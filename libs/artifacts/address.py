"""Where a bucket's objects are reached: the host and the path that signatures are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["Address"]

_ENDPOINT = re.compile(r"(?:(?P<scheme>https?)://)?(?P<host>(?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?)/?", re.ASCII)
#: Amazon itself wants the bucket in the host's name, and answers for a region at that region's host alone.
_AMAZON = re.compile(r"s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.(?P<domain>amazonaws\.com(?:\.cn)?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """`host[:port]` of an object store, and one bucket in it."""

    host: str
    secure: bool
    bucket: str
    region: str

    @classmethod
    def of(cls, endpoint: str, bucket: str, region: str, *, use_ssl: bool) -> Address:
        """From what a setting says: `host[:port]`, or a URL whose scheme decides about TLS. Raises ValueError."""
        parts = _ENDPOINT.fullmatch(endpoint)
        if parts is None:
            raise ValueError(f"an S3 endpoint is host, host:port or a URL without a path, not {endpoint!r}")
        return cls(parts["host"], parts["scheme"] == "https" if parts["scheme"] else use_ssl, bucket, region)

    @property
    def reached_at(self) -> str:
        """The host that requests for the bucket go to."""
        amazon = _AMAZON.fullmatch(self.host)
        if amazon is None:
            return self._without_default_port()
        at_region = f"s3.{self.region}.{amazon['domain']}"
        # A wildcard certificate covers one label: a bucket with dots keeps its place in the path.
        return at_region if "." in self.bucket else f"{self.bucket}.{at_region}"

    def path(self, name: str = "") -> str:
        """The path of an object, or of the bucket itself, not quoted."""
        if self.reached_at.startswith(f"{self.bucket}.s3."):
            return f"/{name}"
        return f"/{self.bucket}/{name}" if name else f"/{self.bucket}"

    def url(self, name: str, query: str) -> str:
        """The URL of an object, or of the bucket itself. `query` is quoted already."""
        asked = f"?{query}" if query else ""
        return f"http{'s' if self.secure else ''}://{self.reached_at}{quote(self.path(name), safe='/~')}{asked}"

    def _without_default_port(self) -> str:
        # HTTP clients leave the default port out of Host, and Host is signed.
        return self.host.removesuffix(":443" if self.secure else ":80")

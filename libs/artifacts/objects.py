"""The object store: every byte that is not small, by name, in one bucket of an S3 server.

minio-py is synchronous, so each call runs in a thread. A call that is canceled is left behind: its thread ends by
itself, gives its connection back, and nobody hears of it. So each call here is whole, and none holds anything open.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from time import monotonic
from typing import BinaryIO, TypeVar, cast

from anyio import CapacityLimiter, move_on_after, to_thread
from minio import Minio
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject
from minio.error import MinioException
from minio.helpers import ObjectWriteResult, check_bucket_name
from urllib3.exceptions import HTTPError

from libs.artifacts import multipart
from libs.artifacts.address import Address
from libs.artifacts.bucket import make_ready
from libs.artifacts.chain import Chain
from libs.artifacts.multipart import Begun, Part, Parts
from libs.artifacts.openness import Act, what_anybody_may
from libs.artifacts.outage import as_unavailable, found
from libs.artifacts.pool import ObjectPool
from libs.artifacts.presigner import URL_TTL_S_MAX, Presigner
from libs.artifacts.requests import Requests
from libs.artifacts.signature import Signer
from libs.errors import Unavailable
from libs.spool import Content, Spool, Spooler, chunks_of

__all__ = ["URL_TTL_S_MAX", "Digest", "ObjectFacts", "Objects"]

_CHUNK_BYTES = 64 * 1024
_LARGE_BYTES = 1024 * 1024
_PART_BYTES_MIN = 5 * 1024 * 1024
_SPOOLED_FROM_BYTES = 1024 * 1024
_CHAINED_PART_BYTES = 8 * 1024 * 1024
_TRANSFER_S_MAX = 120.0
_PROBE_S = 4.0
_PROBE_READ_S = 1.5
_REMOVED_AT_ONCE = 1_000
_MD5 = re.compile(r"[0-9a-f]{32}")
#: What S3 calls an object that came in parts: the MD5 of the parts' MD5s, and how many they were.
_MD5_OF_PARTS = re.compile(r"[0-9a-f]{32}-[0-9]+")
_ENCRYPTED = (
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What the store says of an object. Its content type is what somebody once declared: never trust it."""

    name: str
    size_bytes: int
    etag: str
    modified_at: datetime | None


@dataclass(frozen=True, slots=True)
class Digest:
    """What reading an object through has told: its size, SHA-256 (hex) and first bytes."""

    size_bytes: int
    sha256: str
    head: bytes


class Objects:
    """One bucket. Every coroutine raises Unavailable("objects") when the store is away, slow, full or refuses us.

    `endpoint` and `public_endpoint` are `host[:port]`, or a URL whose scheme then decides about TLS; the second is
    the address that callers reach the store by, and presigned URLs are signed for it. `connections` is the number
    of calls at once. `browser_origins` and `expire_days`: see `libs.artifacts.bucket`.
    """

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        bucket: str,
        region: str = "us-east-1",
        *,
        use_ssl: bool = False,
        public_endpoint: str | None = None,
        connections: int = 16,
        browser_origins: Sequence[str] = (),
        expire_days: Mapping[str, int] | None = None,
    ) -> None:
        """Connect to nothing yet; raises ValueError when an endpoint, the region or the bucket's name is malformed."""
        check_bucket_name(bucket, s3_check=True)
        address = Address.of(endpoint, bucket, region, use_ssl=use_ssl)
        public = Address.of(public_endpoint or endpoint, bucket, region, use_ssl=use_ssl)
        signer = Signer(access_key, secret_key, region)

        def client(pool: ObjectPool) -> Minio:
            # With a region given, minio-py asks nobody for it.
            return Minio(address.host, access_key, secret_key, secure=address.secure, region=region, http_client=pool)

        self.bucket = bucket
        self.weigh: Callable[[int], None] | None = None  # is told of what is about to lie in memory, and may refuse it
        self.is_public = public_endpoint is not None
        self._pools = (ObjectPool(connections), ObjectPool(1, read_s=_PROBE_READ_S, retries=0))
        self._client = client(self._pools[0])
        self._probe = client(self._pools[1])
        self._requests = Requests(address, signer, self._pools[0])
        self._probe_requests = Requests(address, signer, self._pools[1])
        self._urls = Presigner(public, signer)
        self._limiter = CapacityLimiter(connections)
        self._probe_limiter = CapacityLimiter(1)
        self._rules = (tuple(browser_origins), dict(expire_days or {}))

    async def open(self) -> None:
        """Make the bucket if it is missing, and try the rules that the store may not know."""
        await self._run(lambda: make_ready(self._client, self._requests, *self._rules))

    def close(self) -> None:
        """Close the connections that are idle."""
        for pool in self._pools:
            pool.clear()

    async def healthy(self) -> bool:
        """Whether the bucket answers; False within four seconds when it does not."""
        with suppress(Unavailable), move_on_after(_PROBE_S):
            return await self._run(lambda: self._probe.bucket_exists(self.bucket), self._probe_limiter)
        return False

    async def open_to_anybody(self) -> dict[Act, str]:
        """What anybody without a key may do to the bucket, and how that is known; see `libs.artifacts.openness`.

        Raises Unavailable, within four seconds too.
        """
        with move_on_after(_PROBE_S):
            return await self._run(lambda: what_anybody_may(self._probe_requests), self._probe_limiter)
        raise Unavailable("objects", "the object store is slow to say who may do what")

    async def put(self, name: str, data: Content, content_type: str) -> None:
        """Store an object whole; one that lies on disk is sent from there, part by part.

        What arrived otherwise than it was sent is removed, and Unavailable raised.
        """
        await self._run(lambda: self._put(name, data, content_type))

    async def get(self, name: str, *, bytes_max: int, offset: int = 0, length: int = 0) -> bytes | None:
        """An object, or `length` bytes of it from `offset` on, fewer where it ends; None when there is none.

        Raises ValueError, having read no more than that, when it would be more than `bytes_max`. What may be large is
        weighed first, where somebody weighs.
        """
        if self.weigh is not None and (length or bytes_max) > _LARGE_BYTES:
            facts = await self.stat(name)
            if facts is None:
                return None
            self.weigh(max(0, min(facts.size_bytes - offset, length or facts.size_bytes)))
        return await self._run(lambda: found(lambda: b"".join(self._chunks(name, bytes_max, offset, length))))

    async def spool(self, name: str, *, bytes_max: int) -> Content | None:
        """An object, on disk unless it is small; None when there is none, ValueError beyond `bytes_max`."""
        return await self._run(lambda: found(lambda: self._spool(name, bytes_max)))

    async def digest(self, name: str, *, bytes_max: int, head_bytes: int) -> Digest | None:
        """Read an object through without keeping it; None when there is none, ValueError beyond `bytes_max`."""
        return await self._run(lambda: found(lambda: self._digest(name, bytes_max, head_bytes)))

    async def chain(self, name: str, parts: Sequence[str], content_type: str, *, part_bytes_max: int) -> Digest:
        """Store an object that is others one after the other, of which a few are in memory at a time.

        Raises ValueError when a part is larger than that, Unavailable also when one is missing.
        """
        return await self._run(lambda: self._chain(name, parts, content_type, part_bytes_max))

    async def stat(self, name: str) -> ObjectFacts | None:
        """What the store says of an object; None when there is none."""
        return await self._run(lambda: found(lambda: self._stat(name)))

    async def copy(self, name: str, target: str) -> bool:
        """Copy an object within the store; False when there is none of that name."""
        source = CopySource(self.bucket, name)
        return await self._run(lambda: found(lambda: self._client.copy_object(self.bucket, target, source))) is not None

    async def remove(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""
        await self._run(lambda: found(lambda: self._client.remove_object(self.bucket, name)))

    async def remove_each(self, names: Sequence[str]) -> None:
        """Remove objects; those that are not there are no error."""
        for start in range(0, len(names), _REMOVED_AT_ONCE):
            await self._run(partial(self._remove_each, names[start : start + _REMOVED_AT_ONCE]))

    async def remove_all(self, prefix: str) -> int:
        """Remove every object below a prefix, which ends with a slash; how many there were."""
        if not prefix.strip("/") or not prefix.endswith("/"):
            raise ValueError(f"{prefix!r} is not the prefix of a folder")
        removed, last = 0, None
        while page := await self.list(prefix, after=last, limit=_REMOVED_AT_ONCE):
            await self.remove_each([each.name for each in page])
            removed, last = removed + len(page), page[-1].name
        return removed

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1_000) -> tuple[ObjectFacts, ...]:
        """A page of the objects whose names begin with `prefix`, in order of name, behind the name `after`."""
        return await self._run(lambda: self._list(prefix, after, limit))

    async def folders(self, prefix: str, *, limit: int = 10_000) -> tuple[str, ...]:
        """The names directly below a prefix that have more below them, each with its slash, in order."""
        return await self._run(lambda: self._folders(prefix, limit))

    def presigned_get(self, name: str, ttl_s: int, *, filename: str, content_type: str) -> str:
        """A URL that downloads an object as a file of that name and type, whatever the store believes it is."""
        return self._urls.get(name, ttl_s, filename=filename, content_type=content_type)

    def presigned_put(self, name: str, ttl_s: int, *, content_type: str, size_bytes: int) -> str:
        """A URL that writes an object, with the headers of `upload_headers`: just that size and type."""
        return self._urls.put(name, ttl_s, content_type=content_type, size_bytes=size_bytes)

    async def begin_parts(self, name: str, content_type: str) -> str:
        """Begin an object that is sent in parts; the store's id of that beginning."""
        return await self._run(lambda: multipart.begin(self._requests, name, content_type))

    async def list_parts(self, name: str, begun: str) -> tuple[Part, ...] | None:
        """The parts that have arrived; None when the store knows of no such beginning."""
        return await self._run(lambda: multipart.list_parts(self._requests, name, begun))

    async def put_together(self, name: str, begun: str, size_bytes: int) -> Parts | None:
        """Make an object of its parts once all have arrived; see `libs.artifacts.multipart`."""
        return await self._run(lambda: multipart.put_together(self._requests, name, begun, size_bytes))

    async def list_begun(self) -> tuple[Begun, ...]:
        """What is being sent in parts; see `libs.artifacts.multipart`."""
        return await self._run(lambda: multipart.list_begun(self._requests))

    async def abort_parts(self, name: str, begun: str) -> None:
        """Give up an object that is sent in parts; again is fine."""
        await self._run(lambda: multipart.abort(self._requests, name, begun))

    def presigned_part(
        self, name: str, begun: str, number: int, ttl_s: int, *, content_type: str, size_bytes: int
    ) -> str:
        """A URL that writes one part, counted from 1, of just that size."""
        return self._urls.part(name, begun, number, ttl_s, content_type=content_type, size_bytes=size_bytes)

    # Below this line everything runs in a thread.

    async def _run(self, call: Callable[[], T], limiter: CapacityLimiter | None = None) -> T:
        def told() -> T:
            with as_unavailable():
                return call()

        return await to_thread.run_sync(told, abandon_on_cancel=True, limiter=limiter or self._limiter)

    def _put(self, name: str, data: Content, content_type: str) -> None:
        if isinstance(data, Spool):
            self._put_spool(name, data, content_type)
            return
        # One part, whatever the size: the ETag of several parts is no digest of the whole.
        part_bytes = max(len(data), _PART_BYTES_MIN)
        stored = self._client.put_object(
            self.bucket, name, io.BytesIO(data), len(data), content_type, part_size=part_bytes
        )
        if self._arrived(name, data, stored):
            return
        with suppress(MinioException, HTTPError):
            self._client.remove_object(self.bucket, name)
        raise Unavailable("objects", "the object store did not keep what it was sent")

    def _put_spool(self, name: str, spool: Spool, content_type: str) -> None:
        # One part after the other, so that no more than one is in memory.
        stored = self._client.put_object(
            self.bucket,
            name,
            spool.reader(),
            len(spool),
            content_type,
            part_size=_CHAINED_PART_BYTES,
            num_parallel_uploads=1,
        )
        etag = (stored.etag or "").lower()
        is_whole = self._stat(name).size_bytes == len(spool)
        if is_whole and (not _MD5_OF_PARTS.fullmatch(etag) or etag == _etag_of_parts(spool)):
            return
        self._client.remove_object(self.bucket, name)
        raise Unavailable("objects", "the object store did not keep what it was sent")

    def _chain(self, name: str, parts: Sequence[str], content_type: str, part_bytes_max: int) -> Digest:
        # Each part is read to its end before anything is sent, so that no connection is held while another is needed.
        chain = Chain(b"".join(self._chunks(part, part_bytes_max)) for part in parts)
        self._client.put_object(
            self.bucket, name, cast("BinaryIO", chain), -1, content_type, part_size=_CHAINED_PART_BYTES
        )
        if self._stat(name).size_bytes == chain.size_bytes:
            return Digest(chain.size_bytes, chain.sha256, b"")
        self._client.remove_object(self.bucket, name)
        raise Unavailable("objects", "the object store did not keep what it was sent")

    def _arrived(self, name: str, data: bytes, stored: ObjectWriteResult) -> bool:
        etag = (stored.etag or "").lower()
        encrypted = any(header in stored.http_headers for header in _ENCRYPTED)
        if _MD5.fullmatch(etag) and not encrypted:
            return etag == hashlib.md5(data, usedforsecurity=False).hexdigest()
        return self._stat(name).size_bytes == len(data)

    def _chunks(self, name: str, bytes_max: int, offset: int = 0, length: int = 0) -> Generator[bytes]:
        response = self._client.get_object(self.bucket, name, offset=offset, length=length)
        give_up_at, left = monotonic() + _TRANSFER_S_MAX, bytes_max
        try:
            # Undecoded: a Content-Encoding is what the uploader declared, and 50 MB of gzip may be 50 GB.
            while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
                left -= len(chunk)
                if left < 0:
                    raise ValueError(f"the object is larger than {bytes_max} bytes")
                if monotonic() > give_up_at:
                    raise Unavailable("objects", f"the object store took more than {_TRANSFER_S_MAX:.0f} s")
                yield chunk
        finally:
            response.close()
            response.release_conn()

    def _spool(self, name: str, bytes_max: int) -> Content:
        spooler = Spooler(_SPOOLED_FROM_BYTES)
        with closing(self._chunks(name, bytes_max)) as chunks:
            for chunk in chunks:
                spooler.write(chunk)
        return spooler.content()

    def _digest(self, name: str, bytes_max: int, head_bytes: int) -> Digest:
        sha256, size, head = hashlib.sha256(), 0, bytearray()
        with closing(self._chunks(name, bytes_max)) as chunks:
            for chunk in chunks:
                sha256.update(chunk)
                size += len(chunk)
                head += chunk[: head_bytes - len(head)]
        return Digest(size, sha256.hexdigest(), bytes(head))

    def _stat(self, name: str) -> ObjectFacts:
        facts = self._client.stat_object(self.bucket, name)
        return ObjectFacts(name, facts.size or 0, facts.etag or "", facts.last_modified)

    def _remove_each(self, names: Sequence[str]) -> None:
        for error in self._client.remove_objects(self.bucket, [DeleteObject(name) for name in names]):
            if error.code != "NoSuchKey":
                raise Unavailable("objects", f"the object store does not remove an object ({error.code})")

    def _folders(self, prefix: str, limit: int) -> tuple[str, ...]:
        found = self._client.list_objects(self.bucket, prefix, recursive=False)
        return tuple(each.object_name or "" for each in islice(found, limit) if each.is_dir)

    def _list(self, prefix: str, after: str | None, limit: int) -> tuple[ObjectFacts, ...]:
        names = self._client.list_objects(self.bucket, prefix, recursive=True, start_after=after)
        return tuple(
            ObjectFacts(each.object_name or "", each.size or 0, each.etag or "", each.last_modified)
            for each in islice(names, limit)
        )


def _etag_of_parts(spool: Spool) -> str:
    digests = [hashlib.md5(part, usedforsecurity=False).digest() for part in chunks_of(spool, _CHAINED_PART_BYTES)]
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"

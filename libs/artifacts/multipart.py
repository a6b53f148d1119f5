"""Objects that are sent in parts (S3's multipart upload), each by a presigned URL of its own.

Nobody has to keep what the store said to each part: it lists them itself when the object is put together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from xml.sax.saxutils import escape

from minio.error import MinioException, S3Error

from libs.artifacts.requests import Requests, member, texts
from libs.limits import UPLOAD_PART_BYTES_MIN, UPLOAD_PARTS_MAX

__all__ = [
    "Begun",
    "Part",
    "Parts",
    "PartsError",
    "abort",
    "begin",
    "list_begun",
    "list_parts",
    "part_bytes_of",
    "part_sizes",
    "put_together",
]

_MIB = 2**20
_BEGUN_PAGES_MAX = 10
#: What stores say that have nothing begun (rclone), do not know the question, or not from us.
_TELLS_NOTHING = frozenset({"NoSuchUpload", "NotImplemented", "MethodNotAllowed", "AccessDenied"})
#: What the store says to parts that make no object: too small ones, ones that are not there.
_WRONG = frozenset({"EntityTooSmall", "EntityTooLarge", "InvalidPart", "InvalidPartOrder", "InvalidArgument"})
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

T = TypeVar("T")


class PartsError(ValueError):
    """The parts that have arrived make no object, and never will."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that has arrived, counted from 1."""

    number: int
    etag: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Begun:
    """An object that was begun: its name, the store's id of that beginning, and when that was."""

    name: str
    id: str
    begun_at: datetime


@dataclass(frozen=True, slots=True)
class Parts:
    """What had arrived when the object was asked for; `whole` says whether it is an object now."""

    size_bytes: int
    whole: bool


def part_bytes_of(size_bytes: int) -> int:
    """The size of every part but the last, in whole MiB: 8 MiB, and more for a file that would need too many."""
    needed = -(-size_bytes // UPLOAD_PARTS_MAX)
    return max(UPLOAD_PART_BYTES_MIN, -(-needed // _MIB) * _MIB)


def part_sizes(size_bytes: int) -> tuple[int, ...]:
    """The size of each part, in order."""
    part_bytes = part_bytes_of(size_bytes)
    return tuple(min(part_bytes, size_bytes - at) for at in range(0, size_bytes, part_bytes))


def begin(requests: Requests, name: str, content_type: str) -> str:
    """Begin an object; the store's id of that beginning."""
    answer = requests.send("POST", name, query={"uploads": ""}, headers={"Content-Type": content_type})
    # Stores call the element around it differently: rclone InitiateMultipartUpload, others …Result.
    begun = member(answer, "UploadId")
    if not begun:
        raise MinioException("the object store begins an upload and does not say which")
    return begun


def list_parts(requests: Requests, name: str, begun: str) -> tuple[Part, ...] | None:
    """The parts that have arrived, of which there may be a thousand; None when the store knows of no such beginning."""
    found: list[Part] = []
    while len(found) <= UPLOAD_PARTS_MAX:
        last = found[-1].number if found else 0
        answer = _known(lambda last=last: _page(requests, name, begun, last))  # type: ignore[misc]  # bound by its default
        if answer is None:
            return None
        page = [one for one in answer if one.number > last]
        found += page
        if not page:
            break
    return tuple(found)


def put_together(requests: Requests, name: str, begun: str, size_bytes: int) -> Parts | None:
    """Make the object of its parts once `size_bytes` have arrived; None when the store knows of no such beginning.

    Raises PartsError for more than that, and for parts that the store cannot put together.
    """
    parts = list_parts(requests, name, begun)
    if parts is None:
        return None
    arrived = sum(part.size_bytes for part in parts)
    if len(parts) > UPLOAD_PARTS_MAX or arrived > size_bytes:
        raise PartsError(f"{size_bytes} bytes were declared and {arrived} or more arrived")
    if arrived < size_bytes:
        return Parts(arrived, whole=False)
    made = _known(lambda: _make(requests, name, begun, parts))
    return None if made is None else Parts(arrived, whole=True)


def list_begun(requests: Requests) -> tuple[Begun, ...]:
    """What was begun and is neither put together nor given up, a few thousand of them, in order of name."""
    found: list[Begun] = []
    for _ in range(_BEGUN_PAGES_MAX):
        markers = {"key-marker": found[-1].name, "upload-id-marker": found[-1].id} if found else {}
        try:
            answer = requests.send("GET", query={"uploads": "", "max-uploads": "1000", **markers})
        except S3Error as refused:
            if refused.code not in _TELLS_NOTHING:
                raise
            break
        listed = texts(answer, "Upload", "Key", "UploadId", "Initiated")
        page = [Begun(name, begun, datetime.fromisoformat(at)) for name, begun, at in listed]
        fresh = [one for one in page if one not in found[-1_000:]]
        found += fresh
        if not fresh or member(answer, "IsTruncated") != "true":
            break
    return tuple(found)


def abort(requests: Requests, name: str, begun: str) -> None:
    """Give up what was begun, parts and all; again is fine."""
    _known(lambda: requests.send("DELETE", name, query={"uploadId": begun}))


def _page(requests: Requests, name: str, begun: str, last: int) -> list[Part]:
    query = {"uploadId": begun, "max-parts": str(UPLOAD_PARTS_MAX), "part-number-marker": str(last)}
    listed = texts(requests.send("GET", name, query=query), "Part", "PartNumber", "ETag", "Size")
    return [Part(int(number), etag, int(size)) for number, etag, size in listed]


def _make(requests: Requests, name: str, begun: str, parts: Sequence[Part]) -> bool:
    try:
        answer = requests.send("POST", name, query={"uploadId": begun}, body=_manifest(parts))
    except S3Error as refused:
        _raise_if_wrong(refused.code or "")
        raise
    # S3 may say 200 at once, to keep the connection, and in the end that it failed.
    for (code,) in texts(answer, "Error", "Code"):
        _raise_if_wrong(code)
        raise MinioException(f"the object store did not put the parts together ({code})")
    return True


def _raise_if_wrong(code: str) -> None:
    if code in _WRONG:
        raise PartsError(f"the object store takes no such parts ({code})") from None


def _manifest(parts: Sequence[Part]) -> bytes:
    listed = "".join(
        f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag></Part>" for part in parts
    )
    return f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{listed}</CompleteMultipartUpload>'.encode()


def _known(call: Callable[[], T]) -> T | None:
    """The call's result; None when the store knows of no such beginning: it was put together or given up."""
    try:
        return call()
    except S3Error as refused:
        if refused.code != "NoSuchUpload":
            raise
        return None

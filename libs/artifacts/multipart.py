"""Objects that are sent in parts (S3's multipart upload), each by a presigned URL of its own.

Nobody has to keep what the store said to each part: it lists them itself when the object is put together. From then on,
and from an abort on, the URLs of the parts lead nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from minio import Minio
from minio.datatypes import Part
from minio.error import S3Error

from libs.limits import UPLOAD_PART_BYTES_MIN, UPLOAD_PARTS_MAX

__all__ = ["Parts", "PartsError", "abort", "begin", "part_bytes_of", "put_together"]

_MIB = 2**20
#: What the store says to parts that make no object: too small ones, ones that are not there.
_WRONG = frozenset({"EntityTooSmall", "EntityTooLarge", "InvalidPart", "InvalidPartOrder", "InvalidArgument"})

T = TypeVar("T")


class PartsError(ValueError):
    """The parts that have arrived make no object, and never will."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What had arrived when the object was asked for; `whole` says whether it is an object now."""

    size_bytes: int
    whole: bool


def part_bytes_of(size_bytes: int) -> int:
    """The size of every part but the last, in whole MiB: 8 MiB, and more for a file that would need too many."""
    needed = -(-size_bytes // UPLOAD_PARTS_MAX)
    return max(UPLOAD_PART_BYTES_MIN, -(-needed // _MIB) * _MIB)


# minio-py has these calls for its own use; there are no others.


def begin(client: Minio, bucket: str, name: str) -> str:
    """Begin an object; the store's id of that beginning."""
    return str(client._create_multipart_upload(bucket, name, {}))  # noqa: SLF001  # see above


def put_together(client: Minio, bucket: str, name: str, multipart: str, size_bytes: int) -> Parts | None:
    """Make the object of its parts once `size_bytes` have arrived; None when the store knows of no such beginning.

    Raises PartsError for more than that, and for parts that the store cannot put together.
    """
    listed = _known(lambda: client._list_parts(bucket, name, multipart, max_parts=UPLOAD_PARTS_MAX))  # noqa: SLF001  # see above
    if listed is None:
        return None
    arrived = sum(part.size or 0 for part in listed.parts)
    if listed.is_truncated or arrived > size_bytes:
        raise PartsError(f"{size_bytes} bytes were declared and {arrived} or more arrived")
    if arrived < size_bytes:
        return Parts(arrived, whole=False)
    parts = [Part(part.part_number, part.etag) for part in listed.parts]
    try:
        made = _known(lambda: client._complete_multipart_upload(bucket, name, multipart, parts))  # noqa: SLF001  # see above
    except S3Error as refused:
        if refused.code in _WRONG:
            raise PartsError(f"the object store takes no such parts ({refused.code})") from None
        raise
    return None if made is None else Parts(arrived, whole=True)


def abort(client: Minio, bucket: str, name: str, multipart: str) -> None:
    """Give up what was begun, parts and all; again is fine."""
    _known(lambda: client._abort_multipart_upload(bucket, name, multipart))  # noqa: SLF001  # see above


def _known(call: Callable[[], T]) -> T | None:
    """The call's result; None when the store knows of no such beginning: it was put together or given up."""
    try:
        return call()
    except S3Error as refused:
        if refused.code != "NoSuchUpload":
            raise
        return None

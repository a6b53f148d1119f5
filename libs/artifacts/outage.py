"""Turns whatever an object store, or the way to it, throws at minio-py into our own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from xml.etree.ElementTree import ParseError

from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from libs.errors import Unavailable

__all__ = ["as_unavailable", "found"]

_TELLING = {
    "NoSuchBucket": "the bucket does not exist: check MINIO_BUCKET",
    "RequestTimeTooSkewed": "the object store's clock and ours differ by more than 15 minutes",
    **dict.fromkeys(
        ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidTokenId"),
        "the object store refuses us: check MINIO_ACCESS_KEY and MINIO_SECRET_KEY",
    ),
}

T = TypeVar("T")


@contextmanager
def as_unavailable() -> Iterator[None]:
    """Raise Unavailable("objects") for every answer but success; the cause stays attached for the log."""
    try:
        yield
    except S3Error as refused:
        detail = _TELLING.get(refused.code or "", f"the object store answers {refused.code}")
        raise Unavailable("objects", detail) from refused
    except (MinioException, ParseError, UnicodeDecodeError) as garbled:
        raise Unavailable("objects", "what answers at MINIO_ENDPOINT does not speak S3") from garbled
    except (HTTPError, OSError) as lost:
        raise Unavailable("objects") from lost


def found(call: Callable[[], T]) -> T | None:
    """The call's result, or None when the store says that there is no such object."""
    try:
        return call()
    except S3Error as refused:
        if refused.code != "NoSuchKey":
            raise
        return None

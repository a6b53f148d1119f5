"""Names: where objects lie in the bucket, and what callers may call their files.

An object's name is ours alone, made of ids, a date and a digest. What a caller calls a file is metadata and never
becomes part of a name, so no text from outside can point at another object.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from urllib.parse import quote

__all__ = [
    "artifact_name",
    "attachment",
    "attempt_prefix",
    "batch_prefix",
    "clean_filename",
    "job_prefix",
    "kept_upload_name",
    "upload_name",
    "upload_prefix",
]

_FILENAME_CHARS_MAX = 255
_SHA_CHARS = 16
#: Unicode's control, format (which holds the marks that turn text around), surrogate, line and paragraph separator.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def clean_filename(text: str) -> str:
    """The last part of a path that a caller sent as a file's name; raises ValueError where nothing usable is left."""
    name = text.replace("\\", "/").rsplit("/", 1)[-1].strip()
    if name in {"", ".", ".."}:
        raise ValueError("the name is empty")
    if len(name) > _FILENAME_CHARS_MAX:
        raise ValueError(f"the name is longer than {_FILENAME_CHARS_MAX} characters")
    if any(unicodedata.category(character) in _INVISIBLE for character in name):
        raise ValueError("the name holds a control character")
    return name


def job_prefix(user_id: str, job_id: str, created_at_ms: int) -> str:
    """What the names of all objects of a job begin with."""
    return f"{user_id}/{_day(created_at_ms)}/{job_id}/"


def attempt_prefix(user_id: str, job_id: str, created_at_ms: int, attempt: int) -> str:
    """What the names of all objects of one attempt begin with: two attempts never write to the same object."""
    return f"{job_prefix(user_id, job_id, created_at_ms)}attempt-{attempt}/"


def artifact_name(prefix: str, index: int, sha256: str, extension: str) -> str:
    """The object of an attempt's artifact: `…/attempt-1/0-6dcd4ce23d88e2ee.png`."""
    return f"{prefix}{index}-{sha256[:_SHA_CHARS]}.{extension}"


def upload_prefix(user_id: str, upload_id: str, created_at_ms: int) -> str:
    """What the names of all objects of an upload begin with."""
    return f"{user_id}/{_day(created_at_ms)}/{upload_id}/"


def upload_name(user_id: str, upload_id: str, created_at_ms: int) -> str:
    """The object that an upload's presigned URL writes."""
    return f"{upload_prefix(user_id, upload_id, created_at_ms)}original"


def kept_upload_name(prefix: str, kept: str) -> str:
    """The object that an upload's bytes are kept as: no URL writes to it, and no two attempts make the same."""
    return f"{prefix}kept-{kept}"


def batch_prefix(user_id: str, batch_id: str, made_at_ms: int) -> str:
    """What the names of all objects of a batch begin with."""
    return f"{user_id}/{_day(made_at_ms)}/{batch_id}/"


def attachment(filename: str) -> str:
    """A `Content-Disposition` that makes browsers save and never show (RFC 6266, RFC 8187)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y/%m/%d")

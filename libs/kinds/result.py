"""What a job's result depends on, as one digest: two jobs with the same digest have the same result.

SHA-256 of whose results may be used, the kind's name and version, the canonical input, and the bytes of its uploads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from libs.artifacts.upload import Upload
from libs.kinds.kind import CacheableInput, Input, Kind

__all__ = ["result_digest"]


def result_digest(kind: Kind[Any], wanted: Input, uploads: Iterable[Upload], whose: str) -> str | None:
    """The digest; None where the job takes no part.

    What stands behind an address is not known before it is fetched, so that a job with one takes no part either.
    `whose` are the results that may be used: a user's own, or those of all users of a plan that shares them.
    """
    if kind.cache is None or not (isinstance(wanted, CacheableInput) and wanted.cache) or kind.urls(wanted):
        return None
    content = {upload.id: {"sha256": upload.sha256, "content_type": upload.content_type} for upload in uploads}
    canonical = _by_content(wanted.model_dump(mode="json", exclude={"cache"}, exclude_none=True), content)
    told = [whose, kind.name, kind.cache.version, canonical]
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _by_content(value: Any, content: Mapping[str, dict[str, str | None]]) -> Any:
    """The input with each upload's id replaced by an object that says what it holds: no text can pass for that."""
    match value:
        case str():
            return content.get(value, value)
        case dict():
            return {name: _by_content(member, content) for name, member in value.items()}
        case list():
            return [_by_content(member, content) for member in value]
        case _:
            return value

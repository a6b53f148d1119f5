"""What callers may say of what they order: a JSON object of theirs, which we keep and give back."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field

from libs import limits
from libs.strict import at_most

__all__ = ["Metadata"]


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(metadata)) > limits.METADATA_BYTES_MAX:
        raise ValueError(f"at most {limits.METADATA_BYTES_MAX} bytes as JSON")
    return metadata


#: Bounded in members and in bytes: it lies in Redis for as long as the job does.
Metadata = Annotated[
    dict[str, Any],
    Field(max_length=limits.METADATA_MEMBERS_MAX),
    AfterValidator(_small),
    at_most(limits.METADATA_MEMBERS_MAX),
]

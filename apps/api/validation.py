"""From pydantic's errors to ours: JSON pointers (RFC 6901) into the caller's own body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from libs import limits
from libs.errors import Refusal, pointer

__all__ = ["refusal_of", "validated"]

ModelT = TypeVar("ModelT", bound=BaseModel)

_CODES = {"extra_forbidden": "unknown_member", "missing": "required"}
_DETAILS = {"extra_forbidden": "There is no such member", "missing": "This member is required"}


def validated(model: type[ModelT], body: Any, at: Sequence[str | int] = ()) -> ModelT:
    """The body as the model; refuses with `validation_failed`. `at` is where in the caller's body it stands."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise refusal_of(error, at) from None


def refusal_of(error: ValidationError, at: Sequence[str | int] = ()) -> Refusal:
    """What is wrong, and where."""
    found = [
        {
            "pointer": pointer((*at, *entry["loc"])),
            "detail": _DETAILS.get(entry["type"], entry["msg"].removeprefix("Value error, "))[
                : limits.DETAIL_LENGTH_MAX
            ],
            "code": _CODES.get(entry["type"], entry["type"]),
        }
        for entry in error.errors(include_url=False, include_input=False, include_context=False)
    ][: limits.VALIDATION_ERRORS_MAX]
    first = found[0]
    return Refusal("validation_failed", f"{first['pointer']}: {first['detail']}", errors=found)

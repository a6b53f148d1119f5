"""Models of what is sent: unknown members are refused, nothing is converted, and no more is wrong than can be told.

pydantic collects every error before it tells one, so what is past a ceiling is not looked into: a list or a map that
is too long, and of an object with far too many members those that would not be told.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from libs import limits

__all__ = ["Strict", "at_most"]


class Strict(BaseModel):
    """Base of what callers send. Of members that do not exist, as many are looked at as are told."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _few_members(cls, value: Any) -> Any:
        if not isinstance(value, dict) or len(value) <= limits.VALIDATION_ERRORS_MAX:
            return value
        fields = cls.model_fields
        if len(value) > len(fields) + limits.VALIDATION_ERRORS_MAX:
            known = {name: value[name] for name in fields if name in value}
            unknown = islice((name for name in value if name not in fields), limits.VALIDATION_ERRORS_MAX + 1)
            return known | {name: value[name] for name in unknown}
        return value


def at_most(most: int) -> BeforeValidator:
    """A list or a map has no more entries than that; where it has, none of them is looked at."""

    def check(value: Any) -> Any:
        if isinstance(value, list | tuple | dict) and len(value) > most:
            raise PydanticCustomError(
                "too_long", "At most {most} entries, not {count}", {"most": most, "count": len(value)}
            )
        return value

    return BeforeValidator(check)

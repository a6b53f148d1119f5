"""Whose objects are, by their names."""

from __future__ import annotations

from dataclasses import dataclass

from libs.ids import is_id

__all__ = ["Place"]

_ID_AT = 4  # where the id stands in user/yyyy/mm/dd/id/…


@dataclass(frozen=True, slots=True)
class Place:
    """Whose object a name says it is, and of what: a job, an upload or a batch."""

    user_id: str
    of: str

    @classmethod
    def named(cls, name: str) -> Place | None:
        """What the name tells; None for one that means something else."""
        parts = name.split("/")
        if len(parts) <= _ID_AT + 1 or not is_id(parts[0], "usr"):
            return None
        known = any(is_id(parts[_ID_AT], kind) for kind in ("job", "upload", "batch"))
        return cls(parts[0], parts[_ID_AT]) if known else None

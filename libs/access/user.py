"""Users: who owns jobs and api keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["User", "UserStatus"]

UserStatus = Literal["active", "suspended", "erasing"]


@dataclass(frozen=True, slots=True)
class User:
    """A user as stored. `overrides` replaces numbers of the plan for this user alone (None: unlimited)."""

    id: str
    email: str
    plan: str
    created_at_ms: int
    status: UserStatus = "active"
    overrides: Mapping[str, int | None] = field(default_factory=dict)

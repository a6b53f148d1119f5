"""The plans of a deployment: those it was started with, and what an admin made of them since."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from libs.access.plan import DEFAULT_PLANS, Limits
from libs.access.plan_numbers import PLAN_NAME, AllNumbers, numbers_of
from libs.access.scripts import PUT_PLAN
from libs.access.user import User
from libs.audit.act import COMMAND_LINE, Actor
from libs.errors import Refusal
from libs.limits import PLANS_MAX
from libs.store.client import Store

__all__ = ["FALLBACK", "Plans", "list_plans", "load_limits", "put_plan", "read_plans", "read_plans_file"]

#: What counts for a user whose plan is no longer known.
FALLBACK = "free"
_NAMES = frozenset(Limits.__dataclass_fields__)
_KNOWN_MAX = 1_024


class Plans:
    """Plans by name, as this process was started with them; one named `free` is always among them."""

    def __init__(self, base: Mapping[str, Limits] = DEFAULT_PLANS) -> None:
        self.base = base
        self.limits_of = lru_cache(_KNOWN_MAX)(self._limits_of)

    def _limits_of(self, plan: str, changed: bytes = b"", overrides: bytes = b"") -> Limits:
        """A plan's limits with an admin's changes to it, and a user's overrides over both (JSON objects, or empty).

        Numbers that a newer version wrote are ignored.
        """
        found = self.base.get(plan, self.base[FALLBACK])
        for changes in (changed, overrides):
            if changes:
                known = {name: number for name, number in orjson.loads(changes).items() if name in _NAMES}
                found = found.overridden(known)
        return found


def read_plans(text: str, *, json: bool) -> Plans:
    """Plans from a file: `[pro]` and all its numbers. Those it does not name keep their defaults.

    Raises ValueError with one line that says what is wrong.
    """
    stored: Any = orjson.loads(text) if json else tomllib.loads(text)
    if not isinstance(stored, dict):
        raise ValueError("the file must hold plans by name")  # noqa: TRY004  # of a file's text, not of an argument
    return Plans({**DEFAULT_PLANS, **{name: _read_plan(name, numbers) for name, numbers in stored.items()}})


def read_plans_file(path: Path | None) -> Plans:
    """The plans of a TOML or JSON file, by its suffix; the defaults where there is none. Raises ValueError."""
    if path is None:
        return Plans()
    try:
        return read_plans(path.read_text(encoding="utf-8"), json=path.suffix == ".json")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


async def list_plans(store: Store, plans: Plans) -> dict[str, Limits]:
    """Every plan there is, by name, as it holds now."""
    words = await store.call("HGETALL", store.keys.plans)
    changed = {name.decode(): numbers for name, numbers in zip(words[::2], words[1::2], strict=True)}
    return {name: plans.limits_of(name, changed.get(name, b"")) for name in sorted({*plans.base, *changed})}


async def load_limits(store: Store, plans: Plans, user: User) -> Limits:
    """The limits of a user as they hold now."""
    changed = await store.call("HGET", store.keys.plans, user.plan)
    return plans.limits_of(user.plan, changed or b"", orjson.dumps(dict(user.overrides)))


async def put_plan(store: Store, plans: Plans, name: str, wanted: Limits, by: Actor = COMMAND_LINE) -> None:
    """Make a plan what is wanted, or make it anew; it counts for every caller's next request.

    Refuses `conflict` when that is one plan too many.
    """
    before = orjson.dumps(numbers_of(plans.base[name])) if name in plans.base else b""
    arguments = (name, orjson.dumps(numbers_of(wanted)), before, PLANS_MAX)
    if await store.run(PUT_PLAN, (), (*arguments, *by.words)) == b"conflict":
        raise Refusal("conflict", f"There are {PLANS_MAX} plans already")


def _read_plan(name: str, numbers: Any) -> Limits:
    if not PLAN_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a plan: a small letter, then up to 31 of a-z 0-9 _ -")
    try:
        return AllNumbers.model_validate(_unlimited(numbers)).limits()
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{name}: {'.'.join(map(str, first['loc'])) or 'the plan'}: {first['msg']}") from None


def _unlimited(numbers: Any) -> Any:
    """TOML has no null, so there `"unlimited"` says it."""
    if not isinstance(numbers, dict):
        return numbers
    return {name: None if number == "unlimited" else number for name, number in numbers.items()}

"""The registered workflows: numbered versions, each as it was registered, the newest of them the one that is meant.

A version never changes. One that is retired cannot be ordered any more, and stays for as long as a job may that was
ordered before: scheduled ahead as far as can be, waiting as long as can be, and tried again for a while.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import orjson

from libs import limits
from libs.audit.act import COMMAND_LINE, Actor
from libs.errors import Refusal
from libs.store.client import Store
from libs.workflows.definition import Definition
from libs.workflows.scripts import FIND_WORKFLOW, PUT_WORKFLOW, RETIRE_VERSION, RETIRE_WORKFLOW

__all__ = [
    "Version",
    "create_workflow",
    "find_version",
    "list_versions",
    "list_workflows",
    "load_version",
    "retire_version",
    "retire_workflow",
    "revise_workflow",
]

_RETIRED_MS: Final = (limits.SCHEDULE_S_MAX + limits.DEADLINE_S_MAX + 3 * 86_400) * 1_000
_PARSED_MAX: Final = 256
#: Definitions that are read at a time: each has WORKFLOW_BYTES_MAX at most.
_READ_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a workflow. `is_checked` is whether its nodes were known when it was registered, and held to it."""

    name: str
    number: int
    definition: Definition
    created_at_ms: int
    created_by: str
    is_checked: bool
    retired_at_ms: int | None = None


async def create_workflow(
    store: Store, name: str, definition: Definition, *, is_checked: bool, by: Actor = COMMAND_LINE
) -> Version:
    """Register a workflow. Refuses `conflict` when there is one of that name, or when there are too many."""
    return await _put(store, "create", name, definition, is_checked=is_checked, by=by)


async def revise_workflow(
    store: Store, name: str, definition: Definition, *, is_checked: bool, by: Actor = COMMAND_LINE
) -> Version:
    """Register a new version. Refuses `not_found`, and `conflict` when there are too many."""
    return await _put(store, "revise", name, definition, is_checked=is_checked, by=by)


async def retire_version(store: Store, name: str, number: int, by: Actor = COMMAND_LINE) -> Version:
    """Take a version from offer; it as it is now. Refuses `not_found`, and `conflict` for the last one."""
    reply = await store.run(RETIRE_VERSION, (), (name, _digest(name), number, _RETIRED_MS, *by.words))
    if reply == b"not_found":
        raise _no_version()
    if reply == b"conflict":
        raise Refusal("conflict", "This is the last version that can be ordered: retire the workflow")
    return await load_version(store, name, number)


async def retire_workflow(store: Store, name: str, by: Actor = COMMAND_LINE) -> None:
    """Take a workflow from offer, with all its versions. Refuses `not_found`."""
    if await store.run(RETIRE_WORKFLOW, (), (name, _digest(name), _RETIRED_MS, *by.words)) == b"not_found":
        raise _no_workflow()


async def find_version(store: Store, name: str, number: int | None = None) -> Version | None:
    """A version by its number, retired or not; without one the newest that can be ordered."""
    found = await store.run(FIND_WORKFLOW, (), (_digest(name), "" if number is None else number))
    return _version_of(name, found) if found else None


async def load_version(store: Store, name: str, number: int | None = None) -> Version:
    """The same; refuses `not_found`."""
    found = await find_version(store, name, number)
    if found is None:
        raise _no_workflow() if number is None else _no_version()
    return found


async def list_workflows(store: Store, *, limit: int, after: str = "") -> list[Version]:
    """The newest version of each workflow, by name, from behind the name `after`."""
    start = f"({after}" if after else "-"
    names = await store.call("ZRANGEBYLEX", store.keys.workflows, start, "+", "LIMIT", 0, limit)
    found: list[Version | None] = []
    for first in range(0, len(names), _READ_AT_ONCE):
        some = names[first : first + _READ_AT_ONCE]
        found += await asyncio.gather(*[find_version(store, name.decode()) for name in some])
    return [version for version in found if version is not None]


async def list_versions(store: Store, name: str) -> list[int]:
    """The numbers of the versions that can be ordered, newest first; refuses `not_found`."""
    numbers: Sequence[bytes] = await store.call("ZREVRANGE", store.keys.workflow_versions + _digest(name), 0, -1)
    if not numbers:
        raise _no_workflow()
    return [int(number) for number in numbers]


async def _put(store: Store, how: str, name: str, definition: Definition, *, is_checked: bool, by: Actor) -> Version:
    text = orjson.dumps(definition.model_dump(mode="json"))
    ceilings = (limits.WORKFLOWS_MAX, limits.WORKFLOW_VERSIONS_MAX)
    reply = await store.run(PUT_WORKFLOW, (), (name, _digest(name), how, text, int(is_checked), *ceilings, *by.words))
    match reply[0]:
        case b"conflict":
            raise Refusal("conflict", "There is a workflow of that name: register a new version of it")
        case b"not_found":
            raise _no_workflow()
        case b"too_many":
            raise Refusal("conflict", "There are as many of them as there may be: retire some")
    return Version(name, int(reply[1]), definition, int(reply[2]), by.user_id, is_checked)


def _version_of(name: str, reply: Sequence[bytes]) -> Version:
    number, *words = reply
    stored = dict(zip(words[::2], words[1::2], strict=True))
    retired = stored.get(b"retired")
    return Version(
        name,
        int(number),
        _parsed(stored[b"definition"]),
        int(stored[b"created"]),
        stored[b"by"].decode(),
        stored[b"checked"] == b"1",
        int(retired) if retired else None,
    )


@lru_cache(_PARSED_MAX)
def _parsed(text: bytes) -> Definition:
    """A definition; members that a newer version wrote are ignored."""
    return Definition.model_validate(orjson.loads(text), extra="ignore")


def _digest(name: str) -> str:
    """What stands in a key for a name that somebody chose."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _no_workflow() -> Refusal:
    return Refusal("not_found", "There is no such workflow")


def _no_version() -> Refusal:
    return Refusal("not_found", "There is no such version of the workflow")

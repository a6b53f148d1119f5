"""What the node classes of the backend take and give, as the workers published it: the API never asks a backend.

Each class is a member of its own, so that a check reads those that its graph names and no others: a large server has
thousands. Long lists of choices are apart, each once: a hundred classes list the same five thousand LoRAs.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from libs import limits
from libs.backends.comfyui.node_class import Choice, NodeClass, lists_of, with_choices_of
from libs.errors import Unavailable
from libs.store.client import Store
from libs.workflows.scripts import PUBLISH_CLASSES

__all__ = ["UnreadableError", "find_classes", "publish_classes", "publish_unreadable"]

log = logging.getLogger(__name__)

_KEPT_MS: Final = 86_400_000
#: The member that holds the digest of all others, or why there are none; no class has that name.
_DIGEST: Final = ""
_UNREADABLE: Final = b"unreadable: "
_TOO_LARGE: Final = "its declaration is too large"
_LISTS_AT_ONCE: Final = 16

_Lists = dict[str, tuple[Choice, ...]]


class UnreadableError(Unavailable):
    """The servers answer, and what they offer cannot be read: waiting will not help."""


async def publish_classes(store: Store, backend: str, classes: Mapping[str, NodeClass]) -> list[str]:
    """Publish a backend's classes in place of those it had; what has not changed is not sent.

    Returns what could not be published, in words for people.
    """
    lists: _Lists = {}
    problems: list[str] = []
    words = list(_words(classes, lists, problems))
    stored = _stored(lists, problems)
    digest = hashlib.sha256(b"\0".join(words)).hexdigest()
    if await store.run(PUBLISH_CLASSES, (), (backend, digest, _KEPT_MS)) == b"changed":
        await _publish_lists(store, backend, stored)
        await store.run(PUBLISH_CLASSES, (), (backend, digest, _KEPT_MS, *words))
        await _drop_lists(store, backend, stored)
    await store.call("PEXPIRE", store.keys.node_choices + backend, _KEPT_MS)
    return problems


async def publish_unreadable(store: Store, backend: str, why: str) -> None:
    """Say that what a backend offers cannot be read; what was known of it before still counts, for a day."""
    key = store.keys.node_classes + backend
    known = await store.call("HGET", key, _DIGEST)
    if known is None or known.startswith(_UNREADABLE):
        await store.call("HSET", key, _DIGEST, _UNREADABLE + why.encode())
        await store.call("PEXPIRE", key, _KEPT_MS)


async def find_classes(store: Store, backends: Collection[str], names: Collection[str]) -> dict[str, NodeClass] | None:
    """Those of the named classes that one of the backends has; None where nothing is known.

    Backends that have the same class may list other files for it: a choice that one of them has is a choice. Raises
    UnreadableError where all that is known is that nothing can be read.
    """
    found: dict[str, NodeClass] = {}
    digests: list[bytes] = []
    wanted = sorted(name for name in names if name != _DIGEST)
    for backend in backends:
        digest, *stored = await store.call("HMGET", store.keys.node_classes + backend, _DIGEST, *wanted)
        digests += [] if digest is None else [digest]
        parsed = {name: orjson.loads(text) for name, text in zip(wanted, stored, strict=True) if text is not None}
        lists = await _find_lists(store, backend, parsed)
        for name, one in parsed.items():
            read = NodeClass.from_json(one, lists)
            found[name] = with_choices_of(found[name], read) if name in found else read
    if digests and all(digest.startswith(_UNREADABLE) for digest in digests):
        raise UnreadableError("comfyui", f"what comfyui offers cannot be read: {_why(digests[0])}")
    return found if digests else None


def _why(digest: bytes) -> str:
    return digest.removeprefix(_UNREADABLE).decode(errors="replace")


async def _find_lists(store: Store, backend: str, classes: Mapping[str, Any]) -> _Lists:
    digests = sorted({digest for one in classes.values() for digest in lists_of(one)})
    if not digests:
        return {}
    stored = await store.call("HMGET", store.keys.node_choices + backend, *digests)
    return {digest: tuple(orjson.loads(text)) for digest, text in zip(digests, stored, strict=True) if text is not None}


async def _publish_lists(store: Store, backend: str, stored: Mapping[str, bytes]) -> None:
    """Before the classes that refer to them; each by itself, since one may be megabytes."""
    key = store.keys.node_choices + backend
    there = set(await store.call("HKEYS", key))
    for digest, text in stored.items():
        if digest.encode() not in there:
            await store.call("HSET", key, digest, text)


async def _drop_lists(store: Store, backend: str, stored: Mapping[str, bytes]) -> None:
    key = store.keys.node_choices + backend
    gone: Sequence[bytes] = [one for one in await store.call("HKEYS", key) if one.decode() not in stored]
    for at in range(0, len(gone), _LISTS_AT_ONCE):
        await store.call("HDEL", key, *gone[at : at + _LISTS_AT_ONCE])


def _words(classes: Mapping[str, NodeClass], lists: _Lists, problems: list[str]) -> Iterator[bytes]:
    """Name and declaration of each class; the ceilings bound what a server can make us keep."""
    if len(classes) > limits.NODE_CLASSES_MAX:
        problems.append(f"{len(classes)} node classes, and {limits.NODE_CLASSES_MAX} are published")
    for name, one in sorted(classes.items())[: limits.NODE_CLASSES_MAX]:
        if not 1 <= len(name) <= limits.WORKFLOW_NAME_LENGTH_MAX:
            problems.append(f"the node class {name[: limits.WORKFLOW_NAME_LENGTH_MAX]!r} has too long a name")
            continue
        own: _Lists = {}
        text = orjson.dumps(one.as_json(own))
        if len(text) > limits.NODE_CLASS_BYTES_MAX:
            problems.append(f"the node class {name!r} cannot be used: {_TOO_LARGE}")
            text, own = orjson.dumps(NodeClass(unread=_TOO_LARGE).as_json({})), {}
        lists |= own
        yield name.encode()
        yield text


def _stored(lists: Mapping[str, tuple[Choice, ...]], problems: list[str]) -> dict[str, bytes]:
    """The lists as JSON, as many as may be kept: what an input whose list is left out may be is not known."""
    found: dict[str, bytes] = {}
    left = limits.NODE_CHOICES_BYTES_MAX
    for digest, choices in sorted(lists.items(), key=lambda item: len(item[1])):
        text = orjson.dumps(choices)
        if len(text) > left:
            problems.append(
                f"a list of {len(choices)} choices is left out: {limits.NODE_CHOICES_BYTES_MAX} bytes are kept"
            )
            continue
        left -= len(text)
        found[digest] = text
    return found

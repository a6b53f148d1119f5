"""What the node classes of the backend take and give, as the workers published it: the API never asks a backend.

Each class is a member of its own, so that a check reads those that its graph names and no others: a large server has
thousands.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Final

import orjson

from libs import limits
from libs.backends.comfyui.node_class import NodeClass, with_choices_of
from libs.store.client import Store
from libs.workflows.scripts import PUBLISH_CLASSES

__all__ = ["find_classes", "publish_classes"]

log = logging.getLogger(__name__)

_KEPT_MS: Final = 86_400_000
#: The member that holds the digest of all others; no class has that name.
_DIGEST: Final = ""


async def publish_classes(store: Store, backend: str, classes: Mapping[str, NodeClass]) -> None:
    """Publish a backend's classes in place of those it had; what has not changed is not sent."""
    words = list(_words(backend, classes))
    digest = hashlib.sha256(b"\0".join(words)).hexdigest()
    if await store.run(PUBLISH_CLASSES, (), (backend, digest, _KEPT_MS)) == b"changed":
        await store.run(PUBLISH_CLASSES, (), (backend, digest, _KEPT_MS, *words))


async def find_classes(store: Store, backends: Collection[str], names: Collection[str]) -> dict[str, NodeClass] | None:
    """Those of the named classes that one of the backends has; None where nothing is known.

    Backends that have the same class may list other files for it: a choice that one of them has is a choice.
    """
    found: dict[str, NodeClass] = {}
    known = False
    wanted = sorted(name for name in names if name != _DIGEST)
    for backend in backends:
        digest, *stored = await store.call("HMGET", store.keys.node_classes + backend, _DIGEST, *wanted)
        known = known or digest is not None
        for name, text in zip(wanted, stored, strict=True):
            if text is not None:
                one = NodeClass.from_json(orjson.loads(text))
                found[name] = with_choices_of(found[name], one) if name in found else one
    return found if known else None


def _words(backend: str, classes: Mapping[str, NodeClass]) -> Iterator[bytes]:
    """Name and declaration of each class; the ceilings bound what a server can make us keep."""
    if len(classes) > limits.NODE_CLASSES_MAX:
        log.warning("%s has %d node classes, %d are published", backend, len(classes), limits.NODE_CLASSES_MAX)
    for name, one in sorted(classes.items())[: limits.NODE_CLASSES_MAX]:
        text = orjson.dumps(one.as_json())
        if len(text) > limits.NODE_CLASS_BYTES_MAX or not 1 <= len(name) <= limits.WORKFLOW_NAME_LENGTH_MAX:
            log.warning("%s has a node class that is too large to be published: %.128s", backend, name)
        else:
            yield name.encode()
            yield text

"""What a kind looks up of workflows, at submission and at work: a narrow view of what is stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from libs.backends.comfyui.node_class import NodeClass
from libs.errors import Refusal
from libs.store.client import Store
from libs.workflows.classes import RawClasses
from libs.workflows.node_classes import UnreadableError, find_classes
from libs.workflows.registry import Version, find_version

__all__ = ["Library", "StoredLibrary", "classes_known"]


class Library(Protocol):
    """Workflows and node classes. Every look-up raises Unavailable while they cannot be read."""

    @property
    def raw_classes(self) -> RawClasses:
        """The node classes that raw graphs may use."""

    async def find_version(self, name: str, number: int | None = None) -> Version | None:
        """A version of a workflow, retired or not; without a number the newest that can be ordered."""

    async def find_classes(self, names: Collection[str]) -> Mapping[str, NodeClass] | None:
        """Those of these node classes that the backend has; None where no worker has told yet."""


async def classes_known(library: Library, names: Collection[str]) -> Mapping[str, NodeClass] | None:
    """The same for who submits or registers: refuses `backend_unreadable` where waiting will not help."""
    try:
        return await library.find_classes(names)
    except UnreadableError as error:
        raise Refusal("backend_unreadable", error.detail) from None


class StoredLibrary:
    """The library of a deployment, in Redis. `backends` are the names under which workers publish node classes."""

    def __init__(self, store: Store, raw_classes: RawClasses, backends: Collection[str] = ("comfyui",)) -> None:
        self._store = store
        self._backends = tuple(backends)
        self.raw_classes = raw_classes

    async def find_version(self, name: str, number: int | None = None) -> Version | None:
        """See Library."""
        return await find_version(self._store, name, number)

    async def find_classes(self, names: Collection[str]) -> Mapping[str, NodeClass] | None:
        """See Library."""
        return await find_classes(self._store, self._backends, names)

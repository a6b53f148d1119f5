"""A library in memory: what is registered, for the tests of handlers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from libs.backends.comfyui.node_class import NodeClass
from libs.workflows.classes import RawClasses
from libs.workflows.definition import Definition
from libs.workflows.registry import Version

__all__ = ["FakeLibrary", "version_of"]


def version_of(
    definition: Definition, *, number: int = 1, is_checked: bool = True, retired_at_ms: int | None = None
) -> Version:
    """A version of a workflow named `portrait`."""
    return Version("portrait", number, definition, 0, "user_1", is_checked, retired_at_ms)


@dataclass
class FakeLibrary:
    """Implements `libs.kinds.kind.Library`."""

    versions: list[Version] = field(default_factory=list)
    classes: Mapping[str, NodeClass] | None = None
    raw_classes: RawClasses = field(default_factory=RawClasses)

    async def find_version(self, name: str, number: int | None = None) -> Version | None:
        fitting = [one for one in self.versions if one.name == name and number in (None, one.number)]
        offered = [one for one in fitting if number is not None or one.retired_at_ms is None]
        return max(offered, key=lambda one: one.number, default=None)

    async def find_classes(self, names: Collection[str]) -> Mapping[str, NodeClass] | None:
        if self.classes is None:
            return None
        return {name: self.classes[name] for name in names if name in self.classes}

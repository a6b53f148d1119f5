"""The node classes that raw graphs may use, when nobody says more: ComfyUI's own that draw, and touch nothing else.

They are those of 0.33, looked through one by one: none reads or writes a file that a graph could name, an address, code
or a model that was not listed. Loaders are among them whose one choice is checked against the models that the server
lists, and `LoadImage`, whose file must be an upload of the job's. Not among them: what asks a provider, saves or trains
models, keeps data sets, chooses devices, evaluates an expression or a pattern, or reads what others drew; and, though
harmless looking, what joins or splits batches, since the price is told from the graph.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from typing import Final

__all__ = ["CORE_CLASSES", "RawClasses"]

CORE_CLASSES: Final = frozenset(
    resources.files("libs.workflows").joinpath("core_classes.txt").read_text(encoding="utf-8").splitlines()
)


@dataclass(frozen=True, slots=True)
class RawClasses:
    """What raw graphs may use: `core` by name, as long as they are ComfyUI's own, and what an operator has `added`.

    What is added are names, or patterns in which `*` stands for any characters and `?` for one.
    """

    added: Collection[str] = ()
    core: Collection[str] = CORE_CLASSES

    def has(self, name: str) -> bool:
        """Whether a class of that name may be used, if it is what it says."""
        return name in self.core or self.is_added(name)

    def is_added(self, name: str) -> bool:
        """Whether the operator answers for it, wherever it comes from."""
        return any(fnmatchcase(name, pattern) for pattern in self.added)

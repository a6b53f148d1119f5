"""What a job needs of the fleet: files that its graph loads and classes that its nodes are of. Pure.

Names are chosen by callers, so what Redis holds of them are digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from libs.backends.comfyui.node_class import Choice, NodeClass

__all__ = ["NEEDS_MAX", "Needs", "offered_digests"]

#: Names that one job may need: a graph has at most 200 nodes, each of a class, and some load a file.
NEEDS_MAX: Final = 400
_FLEET: Final = "comfyui"


@dataclass(frozen=True, slots=True)
class Needs:
    """One server must offer all of these: digests of names, sorted, each once. None at all: any server will do."""

    digests: tuple[str, ...] = ()

    @classmethod
    def of(cls, *, files: Iterable[str] = (), node_classes: Iterable[str] = ()) -> Needs:
        """`files` are names of checkpoints, LoRAs and whatever else a graph loads, as the server's nodes list them.

        Raises ValueError for more than NEEDS_MAX names.
        """
        found = {*(_digest("file", name) for name in files), *(_digest("class", name) for name in node_classes)}
        if len(found) > NEEDS_MAX:
            raise ValueError(f"a job may need {NEEDS_MAX} names at most")
        return cls(tuple(sorted(found)))

    @property
    def stored(self) -> str:
        """The record's member `needs`: the fleet's name and the digests, with spaces between."""
        return " ".join((_FLEET, *self.digests))


def offered_digests(classes: Mapping[str, NodeClass]) -> set[str]:
    """What a server offers: its node classes by name, and every file that one of those that can be read loads."""
    return {*(_digest("class", name) for name in classes), *(_digest("file", name) for name in _files(classes))}


def _files(classes: Mapping[str, NodeClass]) -> Iterator[str]:
    """A file is a choice with an extension: ComfyUI lists samplers and models alike, and says of neither what it is.

    Lists are long, and a hundred classes may have the same one.
    """
    seen: set[tuple[Choice, ...]] = set()
    for one in classes.values():
        for _, declared in one.all_inputs():
            if declared.choices is None or declared.choices in seen:
                continue
            seen.add(declared.choices)
            yield from (choice for choice in declared.choices if isinstance(choice, str) and "." in choice)


def _digest(what: str, name: str) -> str:
    return hashlib.sha256(f"{what}\n{name}".encode("utf-8", "surrogatepass")).hexdigest()[:16]

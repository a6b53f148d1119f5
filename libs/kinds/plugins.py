"""Kinds of installed packages, by the entry point group `arqade.kinds`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any

from libs.kinds.kind import Kind

__all__ = ["GROUP", "with_plugins"]

GROUP = "arqade.kinds"


def with_plugins(ours: Iterable[Kind[Any]], plugins: Iterable[EntryPoint]) -> dict[str, Kind[Any]]:
    """Every kind by its name; raises TypeError for a plug-in that is none, ValueError for a name given twice."""
    kinds = {kind.name: kind for kind in ours}
    for plugin in sorted(plugins, key=lambda plugin: plugin.name):
        kind = plugin.load()
        if not isinstance(kind, Kind):
            raise TypeError(f"the entry point {plugin.name} = {plugin.value} of {GROUP} is no Kind")
        if kind.name in kinds:
            raise ValueError(f"the entry point {plugin.value} of {GROUP} gives a second kind named {kind.name}")
        kinds[kind.name] = kind
    return kinds

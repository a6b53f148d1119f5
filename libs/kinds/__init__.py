"""The kinds of job on offer: ours, and those of installed packages.

To add one here: write its file, and give it a line in `_OURS`. To add one from a package: name it in that package's
entry point group `arqade.kinds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from libs.kinds import detect, generate, ocr, optimize, workflow
from libs.kinds.kind import Kind
from libs.kinds.plugins import GROUP, with_plugins

__all__ = ["KINDS"]

_OURS: tuple[Kind[Any], ...] = (
    detect.KIND,
    generate.KIND,
    ocr.KIND,
    optimize.KIND,
    workflow.KIND,
)


KINDS: Mapping[str, Kind[Any]] = with_plugins(_OURS, entry_points(group=GROUP))

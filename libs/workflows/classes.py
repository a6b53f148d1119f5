"""The node classes that raw graphs may use, when nobody says more: ComfyUI's own that draw, and touch nothing else.

None of them reads or writes a file that a graph could name, an address, code or a model that was not listed. Loaders
are among them whose one choice is checked against the models that the server lists, and `LoadImage`, whose file must be
an upload of the job's. Not among them, though harmless looking: classes that join batches (the price is told from the
graph), `LoadImageOutput` (it reads what others drew), and whatever evaluates an expression.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

__all__ = ["CORE_CLASSES"]

CORE_CLASSES: Final = frozenset(
    resources.files("libs.workflows").joinpath("core_classes.txt").read_text(encoding="utf-8").split()
)

"""How large the pictures become. Pure."""

from __future__ import annotations

from typing import Final

from libs.artifacts.dimensions import Size
from libs.kinds.generate_input import SIDE, GenerateInput

__all__ = ["picture_size"]

_SIDE_MIN: Final = 64
_SIDE_MAX: Final = 2_048
_STEP: Final = 8


def picture_size(wanted: GenerateInput, init: Size | None) -> Size:
    """The sides that were asked for; what nobody says follows the init image, else it is SIDE."""
    if init is None:
        return Size(wanted.width or SIDE, wanted.height or SIDE)
    if wanted.width and wanted.height:
        return Size(wanted.width, wanted.height)
    if wanted.width:
        return Size(wanted.width, _side(wanted.width * init.height / init.width))
    if wanted.height:
        return Size(_side(wanted.height * init.width / init.height), wanted.height)
    shrunk = min(1.0, _SIDE_MAX / max(init.width, init.height))
    return Size(_side(init.width * shrunk), _side(init.height * shrunk))


def _side(wanted: float) -> int:
    """The nearest side that a picture may have."""
    return min(_SIDE_MAX, max(_SIDE_MIN, round(wanted / _STEP) * _STEP))

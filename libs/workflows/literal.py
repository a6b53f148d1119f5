"""Values that stand in a graph itself: whether an input may have one, and what ComfyUI makes of it. Pure.

ComfyUI converts what it is given where the input has one type: `"64"` is an integer to it, 7 a text, and anything true
or false. Where an input has several types, or one of its own, the value goes to the node as it is.
"""

from __future__ import annotations

import math
from typing import Any, Final

from libs.backends.comfyui.node_class import CHOICE, Choice, NodeInput
from libs.backends.comfyui.node_input import plain

__all__ = ["Wrong", "converted", "told_types", "wrong_with"]

#: What is wrong with a value, its code, and whether that is no more than a doubt.
Wrong = tuple[str, str, bool]

_ANYTHING: Final = "*"
_LISTED_MAX: Final = 20
#: Types that nothing but a link can bring.
_LINKED: Final = frozenset(
    """AUDIO CLIP CLIP_VISION CLIP_VISION_OUTPUT CONDITIONING CONTROL_NET GLIGEN GUIDER IMAGE LATENT MASK MESH MODEL
    MODEL_PATCH NOISE SAMPLER SIGMAS SPLAT STYLE_MODEL UPSCALE_MODEL VAE VIDEO VOXEL""".split()  # noqa: SIM905
)
#: Types of ComfyUI's own that its editor has a widget for: their values are JSON of a shape that the node knows.
_WIDGETS: Final = frozenset(
    """ARRAY AUDIO_RECORD BOUNDING_BOX BOUNDING_BOXES COLOR COLORS COMPOSITOR CURVE DICT FLOATS HISTOGRAM IMAGECOMPARE
    JSON LOAD3D_CAMERA LOAD_3D LOAD_3D_ANIMATION WEBCAM""".split()  # noqa: SIM905
)
_WORDS: Final = {"INT": "an integer", "FLOAT": "a number", "STRING": "a text", "BOOLEAN": "true or false"}


def wrong_with(value: Any, declared: NodeInput) -> Wrong | None:
    """Why an input cannot have a value that is no link, or why that is not known; None when it can."""
    value = plain(value)
    if CHOICE in declared.types:
        return _wrong_choice(value, declared)
    try:
        found = converted(value, declared)
    except (OverflowError, TypeError, ValueError):
        return f"must be {told_types(declared)}", "wrong_type", False
    if declared.types <= _LINKED and (value is not None or declared.required):
        return f"must be {told_types(declared)}", "wrong_type", False
    if not _is_known(value, declared):
        return f"whether the node takes this as {told_types(declared)} is not known", "unknown_type", True
    return _wrong_size(found, declared)


def converted(value: Any, declared: NodeInput) -> Any:
    """What ComfyUI makes of a literal; raises OverflowError, TypeError or ValueError where it makes nothing of it."""
    value = plain(value)
    if len(declared.types) != 1 or CHOICE in declared.types:
        return value
    match next(iter(declared.types)):
        case "INT":
            return _in_64_bits(int(value))
        case "FLOAT":
            return _finite(value if isinstance(value, int) and not isinstance(value, bool) else float(value))
        case "STRING":
            return str(value)
        case "BOOLEAN":
            return bool(value)
        case _:
            return value


def told_types(declared: NodeInput) -> str:
    """The types, for people."""
    return " or ".join(_WORDS.get(one, f"a link to {one}") for one in sorted(declared.types))


def _is_known(value: Any, declared: NodeInput) -> bool:
    """Whether a literal is surely one of the types: what ComfyUI makes of a list is a text that no node wants."""
    if value is None or not declared.types.isdisjoint({_ANYTHING, *_WIDGETS}):
        return True
    if len(declared.types) == 1:
        return not declared.types.isdisjoint(_WORDS) and not isinstance(value, list | dict)
    kinds = {"INT": int, "FLOAT": int | float, "STRING": str, "BOOLEAN": bool}
    return any(isinstance(value, kinds[one]) for one in declared.types if one in kinds)


def _wrong_size(value: Any, declared: NodeInput) -> Wrong | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if declared.least is not None and value < declared.least:
        return f"at least {declared.least:g}", "out_of_range", False
    if declared.most is not None and value > declared.most:
        return f"at most {declared.most:g}", "out_of_range", False
    return None


def _wrong_choice(value: Any, declared: NodeInput) -> Wrong | None:
    """A file is not held against the list: it may lie in a folder below, or be put there with the job."""
    if declared.is_file:
        return None if isinstance(value, str) or value is None else ("must be a text", "wrong_type", False)
    if declared.choices is None:
        return "the backend does not tell what can be chosen here", "not_offered", True
    several = value if declared.many and isinstance(value, list) else [value]
    if all(_is_listed(one, declared.choices) for one in several):
        return None
    listed = ", ".join(map(str, declared.choices[:_LISTED_MAX]))
    more = f" and {len(declared.choices) - _LISTED_MAX} more" if len(declared.choices) > _LISTED_MAX else ""
    return f"not offered; the backend offers {listed or 'nothing'}{more}", "not_offered", False


def _is_listed(value: Any, choices: tuple[Choice, ...]) -> bool:
    """1 is not true, though Python says so; 1 and 1.0 are the same number."""
    return any(isinstance(one, bool) is isinstance(value, bool) and one == value for one in choices)


def _in_64_bits(value: int) -> int:
    if not -(2**63) <= value < 2**64:
        raise OverflowError("a number that does not fit into 64 bits")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return value

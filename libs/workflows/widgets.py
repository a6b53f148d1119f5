"""Which value of a widget is which input's: by the order of the class's declaration, since no names are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["filled_widgets"]

_PLAIN: Final = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})
#: Types of the editor's that have a widget of their own.
_OWN: Final = frozenset(
    {"BOUNDING_BOX", "COLOR", "COLORS", "COMPOSITOR", "CURVE", "IMAGECOMPARE", "LOAD_3D", "LOAD_3D_ANIMATION", "WEBCAM"}
    | {"AUDIO_RECORD", "AUDIO_UI", "HISTOGRAM", "BOUNDING_BOXES"}
)
_DYNAMIC, _GROWS = "COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3"
#: The widget that the editor puts behind a seed is its own.
_CONTROLS: Final = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})
_SEEDS: Final = frozenset({"seed", "noise_seed"})


def filled_widgets(node: Mapping[str, Any], declared: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values of a node's widgets by the names of its inputs."""
    values = node.get("widgets_values")
    if isinstance(values, dict):
        return {name: _wrapped(value) for name, value in values.items() if name != "videopreview"}
    if not isinstance(values, list):
        return {}
    if declared is None:
        names = [one["widget"]["name"] for one in node.get("inputs") or () if one.get("widget")]
        return {name: _wrapped(value) for name, value in zip(names, values, strict=False)}
    return dict(_assigned(_Values(values), declared["input"], ""))


class _Values:
    def __init__(self, values: Sequence[Any]) -> None:
        self._left = list(values)

    def take(self) -> Any:
        return self._left.pop(0)

    def skip(self, words: frozenset[str]) -> None:
        if self._left and isinstance(self._left[0], str) and self._left[0] in words:
            self._left.pop(0)

    def __bool__(self) -> bool:
        return bool(self._left)


def _assigned(values: _Values, members: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for group in ("required", "optional"):
        for name, one in (members.get(group) or {}).items():
            kind = one[0]
            options = one[1] if len(one) > 1 and isinstance(one[1], dict) else {}
            if not _has_widget(kind, options):
                continue
            if not values and group == "optional":
                return
            value = values.take() if values else _default(kind, options)
            yield f"{prefix}{name}", _wrapped(value)
            if kind == _DYNAMIC:
                yield from _assigned(values, _brought(options, value), f"{prefix}{name}.")
            elif options.get("control_after_generate") or (kind == "INT" and name in _SEEDS):
                values.skip(_CONTROLS)


def _default(kind: Any, options: Mapping[str, Any]) -> Any:
    """What the editor shows in a widget that was not there yet when the workflow was saved."""
    if "default" in options:
        return options["default"]
    if kind == _DYNAMIC:
        return options["options"][0]["key"]
    choices = kind if isinstance(kind, list) else options.get("options")
    if choices:
        return choices[0]
    return {"INT": options.get("min", 0), "FLOAT": options.get("min", 0.0), "STRING": "", "BOOLEAN": False}.get(kind)


def _has_widget(kind: Any, options: Mapping[str, Any]) -> bool:
    """Whether the editor shows one; an input of several types has that of the first."""
    if options.get("forceInput") or options.get("rawLink"):
        return False
    if isinstance(kind, list) or "widgetType" in options:
        return True
    return kind == _DYNAMIC or kind in _OWN or kind in _PLAIN


def _brought(options: Mapping[str, Any], chosen: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next((one["inputs"] for one in options["options"] if one["key"] == chosen), {})
    return found


def _wrapped(value: Any) -> Any:
    return {"__value__": value} if isinstance(value, list) else value

"""What a model says of an image's text, read with suspicion: it wrote freely, and the image may have told it what."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from libs.backends.vision.picture import Picture
from libs.backends.vision.task import BoxForm

__all__ = ["ANSWER_LENGTH_MAX", "REGIONS_MAX", "Box", "Reading", "Region", "read_answer"]

#: Characters of an answer: many times what the tokens that are asked for at most can hold.
ANSWER_LENGTH_MAX = 256 * 1024
REGIONS_MAX = 2_000

_THOUSAND = 1_000.0
_CORNERS = 4
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n?```", re.DOTALL)

#: Left, top, right, bottom in pixels.
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Region:
    """A line of text. `box` is None where the model gave none that makes sense, `confidence` what it says of itself."""

    text: str
    box: Box | None = None
    confidence: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The form told to callers; the box as `ocr` tells them: four corners, clockwise from the top left."""
        return {"text": self.text, "box": self._corners(), "confidence": self.confidence}

    def _corners(self) -> list[list[float]] | None:
        if self.box is None:
            return None
        left, top, right, bottom = (round(edge, 1) for edge in self.box)
        return [[left, top], [right, top], [right, bottom], [left, bottom]]


@dataclass(frozen=True, slots=True)
class Reading:
    """The whole text, and its lines where they were asked for."""

    text: str
    regions: tuple[Region, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The form told to callers."""
        return {"text": self.text, "regions": [region.as_json() for region in self.regions]}


def read_answer(answer: str, form: BoxForm, picture: Picture) -> Reading:
    """The reading in a model's answer; raises ValueError where it is not the JSON that was asked for."""
    if len(answer) > ANSWER_LENGTH_MAX:
        raise ValueError(f"longer than {ANSWER_LENGTH_MAX} characters")
    fenced = _FENCED.fullmatch(answer.strip())
    told = orjson.loads(fenced[1] if fenced else answer)
    if not isinstance(told, dict) or not isinstance(told.get("text"), str):
        raise ValueError("no object with a text")  # noqa: TRY004  # a value from outside, not a type of ours
    regions = [] if told.get("regions") is None else told["regions"]
    if not isinstance(regions, list) or len(regions) > REGIONS_MAX:
        raise ValueError(f"no list of at most {REGIONS_MAX} regions")
    return Reading(told["text"], tuple(_region(region, form, picture) for region in regions))


def _region(told: Any, form: BoxForm, picture: Picture) -> Region:
    if not isinstance(told, dict) or not isinstance(told.get("text"), str):
        raise ValueError("a region without a text")  # noqa: TRY004  # a value from outside, not a type of ours
    return Region(told["text"], _box(told.get(form), form, picture), _confidence(told.get("confidence")))


def _box(told: Any, form: BoxForm, picture: Picture) -> Box | None:
    if not isinstance(told, list) or len(told) != _CORNERS or not all(_is_number(edge) for edge in told):
        return None
    edges: Sequence[float] = [min(_THOUSAND, max(0.0, float(edge))) / _THOUSAND for edge in told]
    if form == "box_2d":
        edges = [edges[1], edges[0], edges[3], edges[2]]
    left, right = sorted((edges[0] * picture.width, edges[2] * picture.width))
    top, bottom = sorted((edges[1] * picture.height, edges[3] * picture.height))
    return left, top, right, bottom


def _confidence(told: Any) -> float | None:
    return float(told) if _is_number(told) and 0 <= told <= 1 else None


def _is_number(told: Any) -> bool:
    return isinstance(told, int | float) and not isinstance(told, bool) and math.isfinite(told)

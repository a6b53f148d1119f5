"""What OCR finds on a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Box", "Line", "Page", "Point", "SearchableFile"]

Point = tuple[float, float]
Box = tuple[Point, Point, Point, Point]


@dataclass(frozen=True, slots=True)
class Line:
    """A run of text. `box` has its corners in pixels of the page, clockwise from the top left; `score` is 0 to 1."""

    text: str
    box: Box
    score: float

    def as_json(self) -> dict[str, Any]:
        """The form told to callers."""
        return {
            "text": self.text,
            "box": [[round(x, 1), round(y, 1)] for x, y in self.box],
            "score": round(self.score, 4),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Line:
        """Read what `as_json` wrote; raises ValueError, KeyError or TypeError on anything else."""
        top_left, top_right, bottom_right, bottom_left = ((float(x), float(y)) for x, y in told["box"])
        return cls(str(told["text"]), (top_left, top_right, bottom_right, bottom_left), float(told["score"]))


@dataclass(frozen=True, slots=True)
class Page:
    """One page, upright. `number` counts from 1 to `of`; `text` holds its lines in reading order."""

    number: int
    width: int
    height: int
    text: str
    lines: tuple[Line, ...]
    of: int = 1

    def as_json(self) -> dict[str, Any]:
        """The form told to callers."""
        return {
            "number": self.number,
            "width": self.width,
            "height": self.height,
            "text": self.text,
            "lines": [line.as_json() for line in self.lines],
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Page:
        """Read what `as_json` wrote; raises ValueError, KeyError or TypeError on anything else."""
        return cls(
            number=int(told["number"]),
            width=int(told["width"]),
            height=int(told["height"]),
            text=str(told["text"]),
            lines=tuple(Line.from_json(line) for line in told["lines"]),
        )


@dataclass(frozen=True, slots=True)
class SearchableFile:
    """A PDF of the pages that were read, with their text behind the picture."""

    pdf: bytes

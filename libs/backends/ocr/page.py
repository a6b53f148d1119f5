"""What OCR finds on a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

__all__ = ["Box", "Line", "Page", "Point", "SearchableFile", "Warned"]

Point = tuple[float, float]
Box = tuple[Point, Point, Point, Point]
#: The page lay on its side or head; it was read with little certainty; much that is on it became no text.
Warned = Literal["turned", "low_score", "unread_area"]


@dataclass(frozen=True, slots=True)
class Line:
    """A run of text. `box` has its corners in pixels of the page, clockwise from the top left; `score` is 0 to 1."""

    text: str
    box: Box
    score: float

    def turned_back(self, rotation: int, size: tuple[int, int]) -> Line:
        """The line on the page as it came, which is of that size."""
        top_left, top_right, bottom_right, bottom_left = (_turned_back(point, rotation, size) for point in self.box)
        return replace(self, box=(top_left, top_right, bottom_right, bottom_left))

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


def _turned_back(point: Point, rotation: int, size: tuple[int, int]) -> Point:
    """Where a point is on a page of that size which was looked at turned clockwise by `rotation`."""
    (x, y), (width, height) = point, size
    return {0: (x, y), 90: (y, height - x), 180: (width - x, height - y), 270: (width - y, x)}[rotation]


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `number` counts from 1 to `of`; `text` holds its lines in reading order.

    `rotation` is by how many degrees clockwise the page had to be turned to be read: 0, 90, 180 or 270. Boxes are in
    pixels of the page as it came, and begin at the corner that is the top left of their text.

    `skew` is by how many degrees clockwise its lines run, once it is turned (tesseract does not tell: 0); `score` the
    mean of its lines' by their letters, None without any; `coverage` the share of what is on the page that became text.
    """

    number: int
    width: int
    height: int
    text: str
    lines: tuple[Line, ...]
    of: int = 1
    rotation: int = 0
    skew: float = 0.0
    score: float | None = None
    coverage: float = 1.0
    warnings: tuple[Warned, ...] = ()

    def turned_back(self) -> Page:
        """The page that was read turned by `rotation`, with its boxes where they are on the page as it came."""
        size = (self.width, self.height)
        return replace(self, lines=tuple(line.turned_back(self.rotation, size) for line in self.lines))

    def as_json(self) -> dict[str, Any]:
        """The form told to callers."""
        return {
            "number": self.number,
            "width": self.width,
            "height": self.height,
            "rotation": self.rotation,
            "skew": round(self.skew, 2),
            "score": None if self.score is None else round(self.score, 4),
            "coverage": round(self.coverage, 4),
            "warnings": list(self.warnings),
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
            rotation=int(told["rotation"]),
            skew=float(told["skew"]),
            score=None if told["score"] is None else float(told["score"]),
            coverage=float(told["coverage"]),
            warnings=tuple(told["warnings"]),
        )


@dataclass(frozen=True, slots=True)
class SearchableFile:
    """A PDF of the pages that were read, with their text behind the picture."""

    pdf: bytes

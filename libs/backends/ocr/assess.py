"""How well a page was read, as far as a machine can tell: so that nothing is lost in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import atan2, degrees
from typing import Final

from PIL import Image, ImageDraw

from libs.backends.ocr.page import Line, Page, Warned

__all__ = ["assessed"]

_SIDE_MAX: Final = 1_500
#: How far from the paper's grey a pixel is ink, and from which share of the page on there is any to speak of.
_CONTRAST: Final = 64
_INK_MIN: Final = 0.0002
_SCORE_MIN: Final = 0.88
_COVERAGE_MIN: Final = 0.5
#: Boxes are tight: so much of a line's height is added around it.
_MARGIN: Final = 0.25


def assessed(page: Page, picture: Image.Image) -> Page:
    """The page with its skew, score, coverage and warnings; `picture` is what was read."""
    told = replace(page, skew=_skew(page), score=_score(page.lines), coverage=_coverage(page, picture))
    return replace(told, warnings=tuple(_warnings(told)))


def _warnings(page: Page) -> Iterator[Warned]:
    if page.rotation:
        yield "turned"
    if page.score is not None and page.score < _SCORE_MIN:
        yield "low_score"
    if page.coverage < _COVERAGE_MIN:
        yield "unread_area"


def _score(lines: Sequence[Line]) -> float | None:
    """By the letters of each line."""
    letters = sum(len(line.text) for line in lines)
    return sum(line.score * len(line.text) for line in lines) / letters if letters else None


def _skew(page: Page) -> float:
    """How far lines run clockwise of straight, on the page turned upright; long lines count more."""
    across = sum(line.box[1][0] - line.box[0][0] for line in page.lines)
    down = sum(line.box[1][1] - line.box[0][1] for line in page.lines)
    return (degrees(atan2(down, across)) + page.rotation + 180) % 360 - 180 if page.lines else 0.0


def _coverage(page: Page, picture: Image.Image) -> float:
    """The share of what differs from the paper that lies in lines; 1 for a page with nothing on it."""
    factor = max(1, -(-max(picture.size) // _SIDE_MAX))
    grey = picture.convert("L").reduce(factor)
    histogram = grey.histogram()
    paper = histogram.index(max(histogram))
    ink = grey.point(lambda value: 255 * (abs(value - paper) > _CONTRAST))
    there = ink.histogram()[255]
    if there < _INK_MIN * grey.width * grey.height:
        return 1.0
    draw = ImageDraw.Draw(ink)
    for line in page.lines:
        draw.polygon([(x / factor, y / factor) for x, y in _widened(line)], fill=0)
    return 1 - ink.histogram()[255] / there


def _widened(line: Line) -> Iterator[tuple[float, float]]:
    """The corners of a line's box, moved outwards from its middle."""
    top_left, _, _, bottom_left = line.box
    margin = _MARGIN * (abs(top_left[0] - bottom_left[0]) + abs(top_left[1] - bottom_left[1]))
    middle_x, middle_y = (sum(point[axis] for point in line.box) / 4 for axis in (0, 1))
    for x, y in line.box:
        yield x + (margin if x > middle_x else -margin), y + (margin if y > middle_y else -margin)

"""What a detector of lines sees on a page, and what that says of how the page lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import dist
from typing import Any

from PIL import Image

from libs.backends.ocr.page import Box

__all__ = ["TURNED", "Sight", "turned_by"]

#: By how much a page is turned whose lines run up or down; which of the two, their letters tell.
TURNED = 90

_TURNS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


def turned_by(picture: Image.Image, rotation: int) -> Image.Image:
    """The picture turned clockwise by 0, 90, 180 or 270 degrees; Pillow counts the other way round."""
    return picture.transpose(_TURNS[rotation]) if rotation else picture


@dataclass(frozen=True, slots=True)
class Sight:
    """Boxes of lines on a page of `size` that was turned clockwise by `rotation`, and the pixels in each (an array)."""

    size: tuple[int, int]
    rotation: int
    boxes: Sequence[Box]
    crops: Sequence[Any]

    @property
    def stands_on_its_side(self) -> bool:
        """Whether more text runs along the height of the page than along its width."""
        down = sum(_height(box) for box in self.boxes if _height(box) > _SLIM * _width(box))
        across = sum(_width(box) for box in self.boxes if _width(box) > _SLIM * _height(box))
        return down > across

    def length(self, index: int) -> float:
        """How long a line is, in pixels."""
        return max(_width(self.boxes[index]), _height(self.boxes[index]))

    def longest(self, count: int) -> list[int]:
        """So many lines, the longest first."""
        return sorted(range(len(self.boxes)), key=self.length, reverse=True)[:count]

    def upside_down(self) -> Sight:
        """The same, turned by another 180 degrees."""
        width, height = self.size
        boxes = [_opposite(box, width, height) for box in self.boxes]
        crops = [crop[::-1, ::-1] for crop in self.crops]
        return replace(self, rotation=(self.rotation + 180) % 360, boxes=boxes, crops=crops)


#: A box of a single letter or two says nothing of the way that lines run.
_SLIM = 1.5


def _opposite(box: Box, width: float, height: float) -> Box:
    """The corners as seen from the other end of the page: what was the bottom right is the top left."""
    top_left, top_right, bottom_right, bottom_left = ((width - x, height - y) for x, y in box)
    return bottom_right, bottom_left, top_left, top_right


def _width(box: Box) -> float:
    return dist(box[0], box[1])


def _height(box: Box) -> float:
    return dist(box[0], box[3])

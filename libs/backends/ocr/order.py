"""Reading order: which lines stand in one row, and what a reader would call the text.

Rows run across the whole page: the cells of a table stay together, and columns of running text are not told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from math import dist

from libs.backends.ocr.page import Line

__all__ = ["in_order", "rows_of", "text_of"]

Row = Sequence[Line]

#: A step down this many times the usual one leaves an empty line: a new paragraph.
_PARAGRAPH = 1.6


def rows_of(lines: Iterable[Line]) -> list[Row]:
    """The rows of a page from top to bottom, each from left to right.

    Scans are never straight, and one degree of slant moves the end of a row by half its height. So heights are
    compared along the page's own slant: the direction in which its lines run, long lines counting more.
    """
    found = list(lines)
    slant = _slant(found)
    rows: list[list[Line]] = []
    for line in sorted(found, key=lambda each: _depth(each, slant)):
        if rows and _in_one_row(rows[-1][0], line, slant):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda each: each.box[0][0]) for row in rows]


def in_order(rows: Iterable[Row]) -> tuple[Line, ...]:
    """All lines, in reading order."""
    return tuple(chain.from_iterable(rows))


def text_of(rows: Sequence[Row]) -> str:
    """The text of a page: a line for each row, and an empty one where a paragraph ends."""
    if not rows:
        return ""
    slant = _slant(list(in_order(rows)))
    depths = [_depth(row[0], slant) for row in rows]
    steps = [below - above for above, below in pairwise(depths)]
    usual = sorted(steps)[len(steps) // 4] if steps else 0.0  # most steps of a letter may be between paragraphs
    gaps = ["", *("\n\n" if step > _PARAGRAPH * usual else "\n" for step in steps)]
    return "".join(gap + " ".join(line.text for line in row) for gap, row in zip(gaps, rows, strict=True))


def _slant(lines: Iterable[Line]) -> float:
    """Pixels down for each pixel to the right; the sum of the vectors of all lines gives it."""
    across = down = 0.0
    for line in lines:
        (left, top), (right, bottom), *_ = line.box
        across += right - left
        down += bottom - top
    return down / across if across else 0.0


def _depth(line: Line, slant: float) -> float:
    """How far down the middle of a line is, on the page made straight."""
    return sum(y - slant * x for x, y in line.box) / 4


def _height(line: Line) -> float:
    return dist(line.box[0], line.box[3])


def _in_one_row(first: Line, line: Line, slant: float) -> bool:
    """Whether the middle of the lower of the two lies within the taller of the two."""
    return abs(_depth(line, slant) - _depth(first, slant)) < max(_height(first), _height(line)) / 2

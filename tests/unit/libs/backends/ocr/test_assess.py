"""What is told of a page beside its text."""

from __future__ import annotations

from math import cos, radians, sin

import pytest
from PIL import Image, ImageDraw

from libs.backends.ocr.assess import assessed
from libs.backends.ocr.page import Box, Line, Page

WIDTH, HEIGHT = 600, 400
UPPER: Box = ((50, 50), (550, 50), (550, 80), (50, 80))
LOWER: Box = ((50, 250), (550, 250), (550, 280), (50, 280))


def picture(*bars: Box, paper: str = "white", ink: str = "black") -> Image.Image:
    made = Image.new("RGB", (WIDTH, HEIGHT), paper)
    for bar in bars:
        ImageDraw.Draw(made).rectangle((bar[0], bar[2]), fill=ink)
    return made


def page(*lines: Line, rotation: int = 0) -> Page:
    return Page(1, WIDTH, HEIGHT, "\n".join(line.text for line in lines), lines, rotation=rotation)


def line(box: Box, score: float = 0.99, text: str = "text") -> Line:
    return Line(text, box, score)


def test_a_page_that_was_read_whole_has_no_warning() -> None:
    told = assessed(page(line(UPPER), line(LOWER)), picture(UPPER, LOWER))
    assert (told.coverage, told.warnings, told.skew) == (1.0, (), 0.0)
    assert told.score == pytest.approx(0.99)


@pytest.mark.parametrize("colors", [("white", "black"), ("black", "white"), ("#cccccc", "#333333")])
def test_an_empty_text_of_a_page_with_ink_is_a_warning(colors: tuple[str, str]) -> None:
    told = assessed(page(), picture(UPPER, paper=colors[0], ink=colors[1]))
    assert (told.coverage, told.score, told.warnings) == (0.0, None, ("unread_area",))


def test_a_blank_page_has_none() -> None:
    assert assessed(page(), picture()).warnings == ()


def test_what_was_read_in_part_says_how_much() -> None:
    told = assessed(page(line(UPPER)), picture(UPPER, LOWER))
    assert told.coverage == pytest.approx(0.5, abs=0.02)


def test_the_score_counts_letters_and_is_a_warning_when_low() -> None:
    told = assessed(page(line(UPPER, 0.9, "a" * 30), line(LOWER, 0.5, "b" * 10)), picture(UPPER, LOWER))
    assert told.score == pytest.approx(0.8)
    assert told.warnings == ("low_score",)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("skew", [-5.0, 0.0, 8.0])
def test_skew_is_told_of_the_page_turned_upright(rotation: int, skew: float) -> None:
    angle = radians(skew - rotation)
    end = (300 + 100 * cos(angle), 200 + 100 * sin(angle))
    told = assessed(page(line(((300, 200), end, end, (300, 200))), rotation=rotation), picture())
    assert told.skew == pytest.approx(skew)
    assert ("turned" in told.warnings) == bool(rotation)

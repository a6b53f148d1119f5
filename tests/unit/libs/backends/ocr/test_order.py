from __future__ import annotations

from libs.backends.ocr.order import in_order, rows_of, text_of
from libs.backends.ocr.page import Line


def line(text: str, left: float, top: float, width: float = 100, height: float = 20) -> Line:
    right, bottom = left + width, top + height
    return Line(text, ((left, top), (right, top), (right, bottom), (left, bottom)), 1.0)


def test_lines_are_read_from_top_to_bottom_and_left_to_right() -> None:
    rows = rows_of([line("c", 0, 60), line("b", 150, 2), line("a", 0, 0)])
    assert [found.text for found in in_order(rows)] == ["a", "b", "c"]
    assert text_of(rows).split() == ["a", "b", "c"]
    assert text_of(rows).splitlines()[0].split() == ["a", "b"]


def test_a_page_without_lines_has_no_text() -> None:
    assert text_of(rows_of([])) == ""

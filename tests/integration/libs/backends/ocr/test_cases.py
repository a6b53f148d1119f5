"""What people really scan, scored by the character error rate (CER) of each page."""

from __future__ import annotations

import pytest

from libs.backends.ocr import OcrEngine
from libs.backends.ocr.page import Page
from tests.fakes.cases import TRUTH, case, content_type_of
from tests.fakes.parts import need_program
from tests.fakes.text_distance import error_rate

TURNED = {"rot180.png": 180, "rotate90.pdf": 270}


async def read(ocr: OcrEngine, name: str, **options: object) -> Page:
    if options.get("engine") == "tesseract":
        need_program("tesseract", how="apt-get install tesseract-ocr")
    (page,) = [
        page
        async for page in ocr.pages(case(name), content_type_of(name), **options)  # type: ignore[arg-type]
        if isinstance(page, Page)
    ]
    return page


@pytest.mark.parametrize("name, rotation", TURNED.items())
@pytest.mark.parametrize("by", ["rapidocr", "tesseract"])
async def test_a_turned_page_is_read(engine: OcrEngine, name: str, rotation: int, by: str) -> None:
    page = await read(engine, name, engine=by)
    assert error_rate(page.text, TRUTH[name]) <= 0.01
    assert page.rotation == rotation
    assert all(0 <= x <= page.width and 0 <= y <= page.height for line in page.lines for x, y in line.box)


async def test_boxes_are_where_the_lines_are_on_the_page_as_it_came(engine: OcrEngine) -> None:
    page = await read(engine, "rot180.png")
    first, last = page.lines[0].box, page.lines[-1].box
    assert first[0][1] > last[0][1], "the page stands on its head: its first line is at the bottom"
    assert first[0][0] > first[1][0], "and begins at the right"
    turned = await read(engine, "rotate90.pdf")
    assert turned.lines[0].box[0][1] < turned.lines[0].box[1][1], "lines run downwards"
    assert (turned.width, turned.height) == (2339, 1654)


@pytest.mark.parametrize("name", ["banner.png", "progressive.jpg", "transparent_white.png"])
@pytest.mark.parametrize("by", ["rapidocr", "tesseract"])
async def test_no_line_of_an_upright_page_is_turned(engine: OcrEngine, name: str, by: str) -> None:
    page = await read(engine, name, engine=by)
    assert error_rate(page.text, TRUTH[name]) <= 0.01
    assert page.rotation == 0


@pytest.mark.parametrize("name", ["form.pdf", "form_noap.pdf"], ids=["drawn by its maker", "drawn by the reader"])
async def test_what_was_filled_into_a_form_is_read(engine: OcrEngine, name: str) -> None:
    assert error_rate((await read(engine, name)).text, TRUTH[name]) <= 0.01


async def test_a_skewed_page_is_read_and_tells_its_skew(engine: OcrEngine) -> None:
    page = await read(engine, "skew8.png")
    assert error_rate(page.text, TRUTH["skew8.png"]) <= 0.01
    assert page.skew == pytest.approx(-8, abs=0.5)
    assert page.warnings == ()


async def test_a_writing_that_an_engine_does_not_know_is_read_with_little_certainty(engine: OcrEngine) -> None:
    assert (await read(engine, "ru.png")).warnings == ("low_score",)


async def test_a_page_that_comes_out_empty_is_no_plain_success(engine: OcrEngine) -> None:
    """Writing that is small on a large plan: whatever is not read of it is told."""
    page = await read(engine, "a0.pdf")
    assert page.text or page.warnings == ("unread_area",)

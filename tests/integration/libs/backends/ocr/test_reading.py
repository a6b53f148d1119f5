"""What OCR reads, on pages whose text is known."""

from __future__ import annotations

import io

import pypdfium2
import pytest
from PIL import Image

from libs.backends.ocr import OcrEngine
from libs.backends.ocr.page import Page, SearchableFile
from tests.fakes.parts import need_program
from tests.fakes.scanned_page import LETTER, SAMPLE, letter, scan
from tests.fakes.text_distance import error_rate

PAGES = 20
ERROR_RATE_MAX = 0.02


async def read(ocr: OcrEngine, data: bytes, content_type: str = "image/jpeg", **options: object) -> list[Page]:
    pages = [page async for page in ocr.pages(data, content_type, **options)]  # type: ignore[arg-type]
    return [page for page in pages if isinstance(page, Page)]


def as_tiff(*scans: bytes) -> bytes:
    first, *others = [Image.open(io.BytesIO(data)) for data in scans]
    kept = io.BytesIO()
    first.save(kept, "TIFF", save_all=True, append_images=others, compression="jpeg")
    return kept.getvalue()


def as_pdf(*scans: bytes) -> bytes:
    first, *others = [Image.open(io.BytesIO(data)) for data in scans]
    kept = io.BytesIO()
    first.save(kept, "PDF", save_all=True, append_images=others, resolution=120)
    return kept.getvalue()


async def test_the_page_that_ships_with_the_project_is_read(engine: OcrEngine) -> None:
    (page,) = await read(engine, SAMPLE.read_bytes())
    assert error_rate(page.text, LETTER) <= ERROR_RATE_MAX
    assert all(0 <= x <= page.width and 0 <= y <= page.height for line in page.lines for x, y in line.box)


async def test_twenty_noisy_pages_have_two_percent_of_errors_at_most(engine: OcrEngine) -> None:
    read_in_all, written_in_all = [], []
    for seed in range(PAGES):
        written = letter(seed, lines=4)
        (page,) = await read(engine, scan(written, seed, (1000, 420)))
        read_in_all.append(page.text)
        written_in_all.append(written)
    assert error_rate("\n".join(read_in_all), "\n".join(written_in_all)) <= ERROR_RATE_MAX


@pytest.mark.parametrize("content_type, bind", [("image/tiff", as_tiff), ("application/pdf", as_pdf)])
async def test_every_page_of_a_file_is_read_in_order(engine: OcrEngine, content_type: str, bind: object) -> None:
    written = [letter(seed, lines=3) for seed in (31, 32, 33)]
    data = bind(*[scan(text, seed, (1000, 360)) for seed, text in enumerate(written)])  # type: ignore[operator]
    pages = await read(engine, data, content_type)
    assert [(page.number, page.of) for page in pages] == [(1, 3), (2, 3), (3, 3)]
    for page, text in zip(pages, written, strict=True):
        assert error_rate(page.text, text) <= 3 * ERROR_RATE_MAX


async def test_the_words_of_a_searchable_pdf_stand_where_the_picture_has_them(engine: OcrEngine) -> None:
    written = letter(5, lines=4)
    found = [part async for part in engine.pages(scan(written, 5, (1000, 420)), "image/jpeg", searchable=True)]
    page, file = found
    assert isinstance(page, Page)
    assert isinstance(file, SearchableFile)
    text_page = pypdfium2.PdfDocument(file.pdf)[0].get_textpage()
    assert error_rate(text_page.get_text_bounded(), page.text) <= ERROR_RATE_MAX
    height_points = pypdfium2.PdfDocument(file.pdf)[0].get_height()
    dots = 200 / 72
    for line in page.lines:
        left, top = (min(point[axis] for point in line.box) for axis in (0, 1))
        right, bottom = (max(point[axis] for point in line.box) for axis in (0, 1))
        inside = text_page.get_text_bounded(
            left=left / dots - 3,
            right=right / dots + 3,
            top=height_points - top / dots + 3,
            bottom=height_points - bottom / dots - 3,
        )
        assert error_rate(inside, line.text) <= 0.1


async def test_a_blank_page_has_no_text(engine: OcrEngine) -> None:
    kept = io.BytesIO()
    Image.new("L", (400, 300), 255).save(kept, "PNG")
    (page,) = await read(engine, kept.getvalue(), "image/png")
    assert (page.text, page.lines) == ("", ())


async def test_tesseract_reads_the_page_too(engine: OcrEngine) -> None:
    need_program("tesseract", how="apt-get install tesseract-ocr")
    (page,) = await read(engine, SAMPLE.read_bytes(), engine="tesseract")
    assert error_rate(page.text, LETTER) <= 3 * ERROR_RATE_MAX

"""What was read is found in the PDF that comes of it, in any writing, and the pages are what they were."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pypdfium2
import pytest

from libs.backends.ocr import OcrEngine
from libs.backends.ocr.page import Box, SearchableFile
from libs.backends.ocr.searchable import add_text, in_visual_order
from tests.fakes.cases import TRUTH, case, content_type_of
from tests.fakes.parts import need_program
from tests.fakes.text_distance import error_rate

WRITINGS = {
    "Latin": "Größe der Straße: 42 €, Zażółć gęślą jaźń",
    "Greek": "Ετήσια έκθεση του λιμανιού",
    "Cyrillic": "Съешь же ещё этих мягких булок",
    "Chinese": "港务局一九八七年年度报告",
    "Arabic": "التقرير السنوي لمكتب الميناء",
    "beyond the first plane": "\U0001f600 and \U00020000",
}
A4_POINTS = (595.3, 841.9)


def pdftotext(pdf: bytes, folder: Path) -> str:
    need_program("pdftotext", how="apt-get install poppler-utils")
    (folder / "a.pdf").write_bytes(pdf)
    command = ["pdftotext", "-enc", "UTF-8", "a.pdf", "-"]
    said = subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout.decode()
    return said.translate(dict.fromkeys((0x202A, 0x202B, 0x202C))).strip("\f\n ")


def text_of(pdf: bytes) -> str:
    return str(pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_range()).strip()


def box(left: float, top: float, right: float, bottom: float) -> Box:
    return (left, top), (right, top), (right, bottom), (left, bottom)


@pytest.mark.parametrize("written", WRITINGS.values(), ids=WRITINGS)
def test_every_writing_is_found_and_copied(written: str, tmp_path: Path) -> None:
    pdf = pypdfium2.PdfDocument.new()
    pdf.new_page(*A4_POINTS)
    add_text(pdf, [((1_190, 1_684), [(written, box(100, 100, 100 + 20 * len(written), 140))])])
    made = io.BytesIO()
    pdf.save(made)
    assert text_of(made.getvalue()) == written
    assert pdftotext(made.getvalue(), tmp_path) == written
    page = pypdfium2.PdfDocument(made.getvalue())[0]
    assert page.render().to_pil().convert("L").getextrema() == (255, 255), "nobody sees it"
    assert len(made.getvalue()) < 8_000


def test_numbers_in_a_line_from_right_to_left_keep_their_order() -> None:
    assert in_visual_order("אבג 1987 דה") == "הד 1987 גבא"


async def searchable(engine: OcrEngine, name: str) -> bytes:
    found = [part async for part in engine.pages(case(name), content_type_of(name), searchable=True)]
    assert isinstance(found[-1], SearchableFile)
    return found[-1].pdf


async def test_a_scan_keeps_its_size_on_paper_and_stays_small(engine: OcrEngine) -> None:
    pdf = await searchable(engine, "a4_400dpi.png")
    assert pypdfium2.PdfDocument(pdf)[0].get_size() == pytest.approx(A4_POINTS, abs=2)
    assert len(pdf) < 6 * len(case("a4_400dpi.png"))
    assert error_rate(text_of(pdf), TRUTH["a4_400dpi.png"]) <= 0.01


async def test_the_pages_of_a_pdf_stay_as_they_are(engine: OcrEngine) -> None:
    pdf = await searchable(engine, "rotate90.pdf")
    before, after = (pypdfium2.PdfDocument(data)[0] for data in (case("rotate90.pdf"), pdf))
    assert after.get_size() == before.get_size()
    assert after.render().to_pil().tobytes() == before.render().to_pil().tobytes()
    assert len(pdf) < len(case("rotate90.pdf")) + 8_000
    line = TRUTH["rotate90.pdf"].splitlines()[0]
    assert text_of(pdf).count(line) == 2, "as it was written, and as it was read"

"""The text of a page laid over it, invisibly: whoever opens the PDF finds and copies what was read.

The text is set in render mode 3 (ISO 32000-1, 9.3.6: neither filled nor stroked) and in a font without shapes,
`glyphless.ttf`: two empty glyphs, half as wide as they are high. Any letter is shown by the second, and which it is
stands in the map to Unicode. So every writing there is can be found, at a kilobyte instead of megabytes. Pages stay as
they are.
"""

from __future__ import annotations

import codecs
import ctypes
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pypdfium2
from pypdfium2 import raw

from libs.backends.ocr.page import Box, Point

__all__ = ["Sheet", "add_text", "in_visual_order"]

#: Lines of a page, and its size in the pixels that their boxes count in.
Sheet = tuple[tuple[int, int], Sequence[tuple[str, Box]]]

codecs.lookup("utf-16-be")  # codecs are modules, and none can be imported in the cage
_FONT: Final = (Path(__file__).parent / "glyphless.ttf").read_bytes()
_WIDTH: Final = 0.5  # of a glyph, in parts of its height
_BASELINE: Final = 0.2  # how far above the bottom of a line's box its letters stand, in parts of its height
_CODES_MAX: Final = 0xFFFF
_BLOCK: Final = 100  # what one list of a map may hold
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL"})
_LEFT_TO_RIGHT: Final = frozenset({"L", "EN", "AN"})


def add_text(pdf: pypdfium2.PdfDocument, sheets: Sequence[Sheet]) -> None:
    """Lay a sheet over each page of a document, in their order."""
    letters = sorted({letter for _, lines in sheets for text, _ in lines for letter in text})[:_CODES_MAX]
    codes = {letter: code for code, letter in enumerate(letters, start=1)}
    if not codes:
        return
    font = _font(pdf, codes)
    for index, (size, lines) in enumerate(sheets):
        page = pdf[index]
        for text, box in lines:
            shown = [codes[letter] for letter in in_visual_order(text) if letter in codes]
            if shown:
                _set(pdf, page, font, shown, [_on_page(page, size, point) for point in box])
        raw.FPDFPage_GenerateContent(page.raw)
        page.close()


def in_visual_order(text: str) -> str:
    """The letters from left to right as they are seen: readers take a line apart again by its directions."""
    if not any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text):
        return text
    runs = groupby(reversed(text), lambda letter: unicodedata.bidirectional(letter) in _LEFT_TO_RIGHT)
    return "".join("".join(reversed(list(run))) if forward else "".join(run) for forward, run in runs)


def _font(pdf: pypdfium2.PdfDocument, codes: Mapping[str, int]) -> Any:
    shapes = b"".join(_glyph(code) for code in range(len(codes) + 1))
    return raw.FPDFText_LoadCidType2Font(
        pdf.raw, _octets(_FONT), len(_FONT), _to_unicode(codes).encode(), _octets(shapes), len(shapes)
    )


def _glyph(code: int) -> bytes:
    return (1 if code else 0).to_bytes(2, "big")


def _octets(data: bytes) -> Any:
    return (ctypes.c_uint8 * len(data)).from_buffer_copy(data)


def _to_unicode(codes: Mapping[str, int]) -> str:
    """A CMap (ISO 32000-1, 9.10.3) that says which letter each code is."""
    rows = [f"<{code:04x}> <{letter.encode('utf-16-be', 'surrogatepass').hex()}>" for letter, code in codes.items()]
    blocks = [rows[at : at + _BLOCK] for at in range(0, len(rows), _BLOCK)]
    lists = "\n".join("\n".join((f"{len(block)} beginbfchar", *block, "endbfchar")) for block in blocks)
    return f"""/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <ffff>
endcodespacerange
{lists}
endcmap
CMapName currentdict /CMap defineresource pop
end
end"""


def _on_page(page: pypdfium2.PdfPage, size: tuple[int, int], point: Point) -> Point:
    """Where a pixel is on a page, in its own unit: it may be turned, and begin anywhere."""
    x, y = ctypes.c_double(), ctypes.c_double()
    given = (round(point[0]), round(point[1]))
    raw.FPDF_DeviceToPage(page.raw, 0, 0, *size, 0, *given, ctypes.byref(x), ctypes.byref(y))
    return x.value, y.value


def _set(
    pdf: pypdfium2.PdfDocument, page: pypdfium2.PdfPage, font: Any, codes: Sequence[int], box: Iterable[Point]
) -> None:
    """Put letters along a box, however it lies, so that they fill its length."""
    (left, top), (right, far), _, (low, bottom) = box
    along = ((right - left) / (_WIDTH * len(codes)), (far - top) / (_WIDTH * len(codes)))
    up = (left - low, top - bottom)
    line = raw.FPDFPageObj_CreateTextObj(pdf.raw, font, 1.0)
    raw.FPDFText_SetCharcodes(line, (ctypes.c_uint32 * len(codes))(*codes), len(codes))
    raw.FPDFTextObj_SetTextRenderMode(line, raw.FPDF_TEXTRENDERMODE_INVISIBLE)
    raw.FPDFPageObj_Transform(line, *along, *up, low + _BASELINE * up[0], bottom + _BASELINE * up[1])
    raw.FPDFPage_InsertObject(page.raw, line)

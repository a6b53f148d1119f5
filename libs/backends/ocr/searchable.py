"""A searchable PDF: the pictures of the pages, and behind each line its text, where the line stands.

The text is set in render mode 3 (ISO 32000-1, 9.3.6: neither filled nor stroked), so a reader finds and copies it
and nobody sees it. A line is stretched to the width of its box, which puts its words where the picture has them.
"""

from __future__ import annotations

from io import BytesIO

from fpdf import FPDF
from fpdf.enums import TextMode
from fpdf.fonts import TTFFont
from PIL import Image, ImageFont

from libs.backends.ocr.page import Line, Page

__all__ = ["SearchablePdf"]

_DOTS_AN_INCH = 200
_POINTS_AN_INCH = 72
_JPEG_QUALITY = 80
#: How much of a line's height is above the baseline, and how large a font of that height is.
_BASELINE, _SIZE = 0.78, 0.8
_STRETCH_MIN, _STRETCH_MAX = 10.0, 500.0


class SearchablePdf:
    """Takes one page after the other, of pictures at 200 dots an inch."""

    def __init__(self) -> None:
        """An empty file, whose font has every letter that the engines know."""
        self._pdf = FPDF(unit="pt")
        self._pdf.set_auto_page_break(False)
        self._pdf.set_margin(0)
        # What `add_font` does, but for reading the font from a path: where this runs, no file can be made.
        self._pdf.fonts["text"] = TTFFont(self._pdf, BytesIO(_font()), "text", "")  # type: ignore[arg-type]

    def add(self, picture: Image.Image, page: Page) -> None:
        """Add a page: its picture, and its lines behind it."""
        points = _POINTS_AN_INCH / _DOTS_AN_INCH
        size = (page.width * points, page.height * points)
        kept = BytesIO()
        picture.save(kept, "JPEG", quality=_JPEG_QUALITY)
        self._pdf.add_page(format=size)
        self._pdf.image(kept, x=0, y=0, w=size[0], h=size[1])
        for line in page.lines:
            self._set(line, points)

    def finish(self) -> bytes:
        """The file."""
        return bytes(self._pdf.output())

    def _set(self, line: Line, points: float) -> None:
        left, top = (min(point[axis] for point in line.box) * points for axis in (0, 1))
        right, bottom = (max(point[axis] for point in line.box) * points for axis in (0, 1))
        height = bottom - top
        if not line.text or height <= 0 or right <= left:
            return
        self._pdf.set_font("text", size=max(1.0, height * _SIZE))
        self._pdf.set_stretching(100)
        wide = self._pdf.get_string_width(line.text)
        stretched = min(_STRETCH_MAX, max(_STRETCH_MIN, 100 * (right - left) / wide)) if wide else 100
        with self._pdf.local_context(text_mode=TextMode.INVISIBLE):
            self._pdf.set_stretching(stretched)
            self._pdf.text(left, top + height * _BASELINE, line.text)


def _font() -> bytes:
    """The font inside Pillow: it comes with the wheel, and covers Latin."""
    font = ImageFont.load_default(10)
    if not isinstance(font, ImageFont.FreeTypeFont) or not hasattr(font.path, "getvalue"):
        raise TypeError("Pillow was built without FreeType")
    return bytes(font.path.getvalue())

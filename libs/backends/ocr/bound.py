"""Pictures as the pages of a PDF, in the size that they were scanned at and no larger than they have to be."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Final

import pypdfium2
from PIL import Image

from libs.backends.ocr.streams import load_jpeg

__all__ = ["add_picture", "dots_an_inch"]

_POINTS_AN_INCH: Final = 72
#: What a picture that does not say its resolution, or says an unlikely one, is taken for; or it is a sheet of A4.
_DOTS_AN_INCH: Final = 200.0
_A4_INCHES: Final = 297 / 25.4
_LIKELY_DOTS: Final = (50.0, 2_400.0)
_JPEG_QUALITY: Final = 80


def dots_an_inch(image: Image.Image) -> float:
    """The resolution that a file tells of, or else the likeliest."""
    told = image.info.get("dpi")
    dots = float(told[0]) if isinstance(told, tuple) and told else 0.0
    return dots if _LIKELY_DOTS[0] <= dots <= _LIKELY_DOTS[1] else max(_DOTS_AN_INCH, max(image.size) / _A4_INCHES)


def add_picture(pdf: pypdfium2.PdfDocument, picture: Image.Image, dots: float) -> None:
    """A page that is this picture: exactly where that is smaller than a JPEG of it, as for print it is."""
    width, height = (side * _POINTS_AN_INCH / dots for side in picture.size)
    page = pdf.new_page(width, height)
    placed = pypdfium2.PdfImage.new(pdf)
    grey = _as_grey(picture)
    kept = BytesIO()
    grey.save(kept, "JPEG", quality=_JPEG_QUALITY)
    if len(zlib.compress(grey.tobytes(), 6)) <= len(kept.getvalue()):
        placed.set_bitmap(pypdfium2.PdfBitmap.from_pil(grey))
    else:
        load_jpeg(placed, kept.getvalue())
    placed.set_matrix(pypdfium2.PdfMatrix().scale(width, height))
    page.insert_obj(placed)
    page.gen_content()
    page.close()


def _as_grey(picture: Image.Image) -> Image.Image:
    """In one channel, if nothing is lost by it."""
    red, green, blue = picture.split()
    return red if red.tobytes() == green.tobytes() == blue.tobytes() else picture

"""From an uploaded file to upright RGB pages. Runs in the OCR child only: decoders of foreign bytes are not trusted."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from math import ceil
from typing import Protocol

import pypdfium2
from PIL import Image, ImageOps, ImageStat

from libs.backends.ocr.bound import add_picture, dots_an_inch
from libs.errors import Failure
from libs.limits import OCR_PAGES_MAX, PIXELS_MAX

__all__ = ["FORMATS", "Document", "Paper", "Picture", "open_document"]

#: A PDF's pages are drawn at 200 dots an inch, or so that they keep within PIXELS_MAX; its own unit is 1/72 inch.
_DRAWN_AT = 200 / 72

#: From here on a pixel can be seen (its opacity), and is light (its grey).
_SEEN, _LIGHT = 64, 225

#: Pillow's name for each content type that can be read.
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/tiff": "TIFF", "image/webp": "WEBP"}

# Of two guards this is the second, for sizes that only show while decoding.
Image.MAX_IMAGE_PIXELS = PIXELS_MAX


class Document(Protocol):
    """A file with pages."""

    page_count: int

    def pages(self) -> Iterator[Image.Image]:
        """Decode one page after the other; raises Failure `image_unreadable` at a damaged one."""

    def as_pdf(self) -> pypdfium2.PdfDocument:
        """The file as a PDF: one stays what it is, pictures become its pages."""


def open_document(data: bytes, content_type: str) -> Document:
    """The file as pages. Raises Failure `image_unreadable`, the caller's fault, for what is none."""
    document = Paper(data) if content_type == "application/pdf" else Picture(data, content_type)
    if document.page_count > OCR_PAGES_MAX:
        raise _unreadable(f"the file has {document.page_count} pages; {OCR_PAGES_MAX} are allowed")
    return document


class Paper:
    """A PDF, whose pages are drawn as a printer would: what text it may hold is not looked at."""

    def __init__(self, data: bytes) -> None:
        """Open the file; an encrypted one cannot be read."""
        try:
            self._pdf = pypdfium2.PdfDocument(data)
            self._pdf.init_forms()  # or what was filled in is not drawn; it runs no script
        except Exception as error:
            raise _unreadable("the file is not a PDF, or it is damaged or encrypted") from error
        self.page_count = len(self._pdf)

    def pages(self) -> Iterator[Image.Image]:
        """Draw one page after the other."""
        for index in range(self.page_count):
            try:
                page = self._pdf[index]
                width, height = page.get_size()
                yield page.render(scale=_scale(width, height)).to_pil().convert("RGB")
                page.close()
            except Exception as error:
                raise _unreadable(f"page {index + 1} is damaged") from error

    def as_pdf(self) -> pypdfium2.PdfDocument:
        """The file itself."""
        return self._pdf


def _scale(width: float, height: float) -> float:
    """Pixels a point: each side is rounded up, so what just fits is made a little smaller."""
    scale: float = min(_DRAWN_AT, (PIXELS_MAX / max(1.0, width * height)) ** 0.5)
    while ceil(width * scale) * ceil(height * scale) > PIXELS_MAX:
        scale *= 0.999
    return scale


class Picture:
    """A picture; a TIFF may have several pages."""

    def __init__(self, data: bytes, content_type: str) -> None:
        """Open the file: this reads its headers and decodes nothing."""
        if content_type not in FORMATS:
            readable = ", ".join(sorted([*FORMATS, "application/pdf"]))
            raise _unreadable(f"OCR reads {readable}, and not this file's type")
        try:
            self._image: Image.Image = Image.open(BytesIO(data), formats=[FORMATS[content_type]])
            # A TIFF has pages. The frames of other formats are an animation, or a phone's second view: page one.
            self.page_count: int = self._image.n_frames if content_type == "image/tiff" else 1  # type: ignore[attr-defined]
        except Exception as error:
            raise _unreadable("the file is not a picture of its type, or it is damaged") from error

    def pages(self) -> Iterator[Image.Image]:
        """Decode one page after the other."""
        for index in range(self.page_count):
            yield self._page(index)

    def as_pdf(self) -> pypdfium2.PdfDocument:
        """A page for each picture, of the size that it was scanned at."""
        pdf = pypdfium2.PdfDocument.new()
        for index in range(self.page_count):
            picture = self._page(index)
            add_picture(pdf, picture, dots_an_inch(self._image))
        return pdf

    def _page(self, index: int) -> Image.Image:
        try:
            if self.page_count > 1:
                self._image.seek(index)
            width, height = self._image.size
            if width * height <= PIXELS_MAX:
                return upright_rgb(self._image)
        # A decoder may raise anything at all on a damaged file.
        except Exception as error:
            raise _unreadable(f"page {index + 1} is damaged") from error
        raise _unreadable(f"page {index + 1} has {width} x {height} pixels; {PIXELS_MAX} in all are allowed")


def upright_rgb(image: Image.Image) -> Image.Image:
    """The picture as a reader sees it: turned as its camera said, on white paper, in RGB."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "black" if _is_light(picture) else "white")
        image = Image.alpha_composite(paper, picture)
    return image.convert("RGB")


def _is_light(picture: Image.Image) -> bool:
    """Whether what can be seen of a picture is so light that nobody would see it on white paper."""
    seen = ImageStat.Stat(picture.convert("L"), mask=picture.getchannel("A").point(lambda alpha: 255 * (alpha > _SEEN)))
    return bool(seen.count[0]) and seen.mean[0] > _LIGHT


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits, stretched over 8: Pillow's own conversion cuts everything bright to white."""
    deep = image.convert("F")
    low, high = deep.getextrema()
    if not isinstance(low, float) or not isinstance(high, float) or high <= low:
        return image.convert("L")
    return deep.point(lambda value: value * (255 / (high - low)) - low * 255 / (high - low)).convert("L")


def _unreadable(detail: str) -> Failure:
    return Failure("image_unreadable", detail[:1].upper() + detail[1:], fault="caller")

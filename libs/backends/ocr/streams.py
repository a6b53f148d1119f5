"""What pdfium reads and writes through functions of ours.

A function that C may call needs a page of memory with code in it, which nobody gets in the cage: so the two there are
were made when this module was imported, before that. A process has one file, so each has one place to put things.
"""

from __future__ import annotations

import ctypes
from io import BytesIO
from typing import Any, Final

import pypdfium2
from pypdfium2 import raw

__all__ = ["load_jpeg", "saved"]

_written: Final = BytesIO()
_given: Final = BytesIO()


def saved(pdf: pypdfium2.PdfDocument) -> bytes:
    """The document as a file. Raises ValueError where pdfium cannot write it."""
    _fill(_written, b"")
    if not raw.FPDF_SaveAsCopy(pdf.raw, ctypes.byref(_WRITER), 0):
        raise ValueError("the PDF cannot be written")
    return _written.getvalue()


def load_jpeg(image: pypdfium2.PdfImage, jpeg: bytes) -> None:
    """Have an image of a document be this JPEG, as it is. Raises ValueError where pdfium does not take it."""
    _fill(_given, jpeg)
    reader = raw.FPDF_FILEACCESS(len(jpeg), _READ, None)
    if not raw.FPDFImageObj_LoadJpegFileInline(None, 0, image.raw, ctypes.byref(reader)):
        raise ValueError("the picture cannot be put into a PDF")


def _fill(file: BytesIO, data: bytes) -> None:
    file.seek(0)
    file.truncate()
    file.write(data)


def _write(_writer: Any, data: int, size: int) -> int:
    _written.write(ctypes.string_at(data, size))
    return 1


def _read(_parameter: Any, position: int, into: Any, size: int) -> int:
    _given.seek(position)
    found = _given.read(size)
    ctypes.memmove(into, found, len(found))
    return int(len(found) == size)


_WRITER: Final = raw.FPDF_FILEWRITE(1, dict(raw.FPDF_FILEWRITE._fields_)["WriteBlock"](_write))
_READ: Final = dict(raw.FPDF_FILEACCESS._fields_)["m_GetBlock"](_read)

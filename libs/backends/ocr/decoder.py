"""The task that makes pixels of a caller's file, page by page. Its child lives for one file and holds no models."""

from __future__ import annotations

from typing import Final

from PIL import Image

from libs.backends.cage import Job, Profile
from libs.backends.cage.limits import allow_cpu_s
from libs.backends.cage.lock import FONTS
from libs.backends.ocr.pictures import Document, open_document
from libs.backends.ocr.searchable import add_text
from libs.backends.ocr.streams import saved
from libs.errors import Failure
from libs.limits import OCR_PAGES_MAX

__all__ = ["PDF_BYTES_MAX", "PROFILE", "serve"]

_PAGE_CPU_S_MAX: Final = 30
#: A searchable PDF; a page of pixels is smaller.
PDF_BYTES_MAX: Final = 128 * 1024 * 1024

PROFILE: Final = Profile(
    memory_bytes_max=2 * 1024**3,
    written_bytes_max=PDF_BYTES_MAX,
    cpu_s_max=_PAGE_CPU_S_MAX * OCR_PAGES_MAX,
    readable=FONTS,
)

Image.preinit()  # nothing can be imported in the cage
Image.init()


def serve(job: Job) -> None:
    """Tell how many pages there are, and draw one each time the worker asks; the next is decoded meanwhile."""
    try:
        allow_cpu_s(_PAGE_CPU_S_MAX)
        document = open_document(job.given(), job.order["content_type"])
        job.say({"page_count": document.page_count})
        for picture in document.pages():
            if job.hear() is None:
                return
            job.make(picture.tobytes())
            job.say({"page": picture.size})
            allow_cpu_s(_PAGE_CPU_S_MAX)
        _bind(job, document)
    except Failure as failure:
        job.say({"failure": {"code": failure.code, "detail": failure.detail, "fault": failure.fault}})


def _bind(job: Job, document: Document) -> None:
    """Make a searchable PDF of what was read, if that is wanted."""
    asked = job.hear()
    if asked is None:
        return
    allow_cpu_s(_PAGE_CPU_S_MAX * document.page_count)
    pdf = document.as_pdf()
    add_text(pdf, asked["bind"])
    job.make(saved(pdf))
    job.say({"made": True})

"""ocr: the text of an uploaded picture or page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Self

import orjson
from pydantic import Field, model_validator

from libs.artifacts.artifact import NewArtifact
from libs.backends.ocr.page import Page, SearchableFile
from libs.backends.ocr.wire import EngineName, Language
from libs.errors import invalid
from libs.kinds.kind import Attempt, CacheableInput, InlineFile, Kind, Output, ResultCache
from libs.limits import OCR_PAGES_MAX

__all__ = ["KIND", "OcrInput"]

#: What a request may hold itself, its base64 and the head of a data URL within 10 MB; larger files are uploaded.
_IMAGE_BYTES_MAX: Final = 7 * 1024 * 1024
_IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
_BASE64_LENGTH_MAX: Final = 4 * (-(-_IMAGE_BYTES_MAX // 3)) + 64


class OcrInput(CacheableInput):
    """What to read, and with what. The same file is not read twice within a day, unless `cache` is false."""

    upload: Annotated[str, Field(pattern=r"^upload_[0-9a-z]{26}$")] | None = Field(
        None, description="A completed upload of yours: a picture, a TIFF or a PDF"
    )
    image: Annotated[str, Field(min_length=1, max_length=_BASE64_LENGTH_MAX)] | None = Field(
        None, description="A picture itself, in base64 or as a data URL"
    )
    engine: EngineName = "rapidocr"
    language: Language = "en"
    searchable_pdf: bool = Field(default=False, description="Also keep a PDF with the text behind the pictures")
    cache: bool = Field(default=True, description="Whether a result will do that the same file had within a day")

    @model_validator(mode="after")
    def _one_file(self) -> Self:
        if (self.upload is None) == (self.image is None):
            raise ValueError("exactly one of upload and image is needed")
        return self


def uploads(wanted: OcrInput) -> Sequence[str]:
    """The file to read."""
    return () if wanted.upload is None else (wanted.upload,)


def page_cost(_wanted: OcrInput, pages: int) -> int:
    """One unit for each page."""
    if pages > OCR_PAGES_MAX:
        raise invalid("#/input/upload", f"the file has {pages} pages; {OCR_PAGES_MAX} are allowed", "too_many_pages")
    return pages


async def run(wanted: OcrInput, attempt: Attempt) -> Output:
    """Read every page; progress is told as soon as one is known."""
    file = await attempt.open(wanted.upload or "")
    await attempt.progress(0, 1, "reading")
    pages: list[Page] = []
    searchable: list[SearchableFile] = []
    async for read in attempt.backends.ocr.pages(
        file.data,
        file.content_type,
        engine=wanted.engine,
        language=wanted.language,
        searchable=wanted.searchable_pdf,
    ):
        if isinstance(read, SearchableFile):
            searchable.append(read)
        else:
            pages.append(read)
            await attempt.progress(read.number, read.of, f"read page {read.number}")
    return _output(pages, searchable)


def _output(pages: Sequence[Page], searchable: Sequence[SearchableFile]) -> Output:
    text = "\n\n".join(page.text for page in pages)
    told = [page.as_json() for page in pages]
    artifacts = [
        NewArtifact("text.txt", "text/plain", text.encode(), {"pages": len(pages)}),
        NewArtifact("pages.json", "application/json", orjson.dumps(told), {"pages": len(pages)}),
    ]
    artifacts += [
        NewArtifact("searchable.pdf", "application/pdf", one.pdf, {"pages": len(pages)}) for one in searchable
    ]
    return Output({"text": text, "pages": told, "warnings": _warned(pages)}, tuple(artifacts))


def _warned(pages: Sequence[Page]) -> dict[str, list[int]]:
    """The numbers of the pages of each warning."""
    names = sorted({name for page in pages for name in page.warnings})
    return {name: [page.number for page in pages if name in page.warnings] for name in names}


KIND = Kind(
    name="ocr",
    queue="cpu",
    input=OcrInput,
    run=run,
    summary="The text of an uploaded picture or page",
    page_cost=page_cost,
    uploads=uploads,
    inline_file=InlineFile("image", "upload", _IMAGE_TYPES, _IMAGE_BYTES_MAX),
    cache=ResultCache(),
    timeout_s=300,
    soft_timeout_s=270,
    slow_fault=lambda _wanted: "caller",  # the pages are as many and as full as their sender made them
    attempts_max=3,
    body_bytes_max=None,  # a picture may stand in it
)

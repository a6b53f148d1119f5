"""ocr: the text of an uploaded picture or page."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from pydantic import Field

from libs.artifacts.artifact import NewArtifact
from libs.backends.ocr.page import Page, SearchableFile
from libs.backends.ocr.wire import EngineName, Language
from libs.kinds.kind import Attempt, CacheableInput, Kind, Output, ResultCache

__all__ = ["KIND", "OcrInput"]


class OcrInput(CacheableInput):
    """What to read, and with what. The same file is not read twice within a day, unless `cache` is false."""

    upload: str = Field(pattern=r"^upload_[0-9a-z]{26}$", description="A completed upload of yours")
    engine: EngineName = "rapidocr"
    language: Language = "en"
    searchable_pdf: bool = Field(default=False, description="Also keep a PDF with the text behind the pictures")
    cache: bool = Field(default=True, description="Whether a result will do that the same file had within a day")


def uploads(wanted: OcrInput) -> Sequence[str]:
    """The file to read."""
    return (wanted.upload,)


async def run(wanted: OcrInput, attempt: Attempt) -> Output:
    """Read every page; progress is told as soon as one is known."""
    file = await attempt.open(wanted.upload)
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
    return Output({"text": text, "pages": told}, tuple(artifacts))


KIND = Kind(
    name="ocr",
    queue="cpu",
    input=OcrInput,
    run=run,
    summary="The text of an uploaded picture or page",
    uploads=uploads,
    cache=ResultCache(),
    timeout_s=300,
    soft_timeout_s=270,
    attempts_max=3,
)

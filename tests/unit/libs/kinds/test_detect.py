from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from PIL import Image
from pydantic import ValidationError

from libs.artifacts.uploads import UploadedFile
from libs.backends.vision import Answer, Picture, Reading, Region, Task, Vision
from libs.egress import Egress, Fetched
from libs.errors import Failure
from libs.ids import new_id
from libs.kinds.detect import IMAGE_BYTES_MAX, KIND, DetectInput, run
from tests.fakes.attempt import FakeAttempt

UPLOAD = new_id("upload")


def png(width: int = 20, height: int = 10) -> bytes:
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


@dataclass
class OneReader:
    """Reads the same in every picture, and remembers what it was asked."""

    asked: list[tuple[Picture, Task]] = field(default_factory=list)

    async def read(self, picture: Picture, task: Task) -> Answer:
        self.asked.append((picture, task))
        return Answer(Reading("Hello", (Region("Hello", (0, 0, 20, 10), 0.5),)), "gemini", "a-model")


@dataclass
class OneFile:
    """Every address leads to it."""

    file: Fetched
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def fetch(self, url: str, *, bytes_max: int, types: Any) -> Fetched:
        self.asked.append((url, bytes_max))
        return self.file


def attempt(data: bytes, content_type: str = "image/png") -> tuple[FakeAttempt, OneReader]:
    reader = OneReader()
    uploads = {UPLOAD: UploadedFile(UPLOAD, "a.png", content_type, data)}
    return FakeAttempt(uploads=uploads, vision=cast("Vision", reader)), reader


async def test_the_answer_tells_the_text_its_places_and_who_read_it() -> None:
    fake, reader = attempt(png())
    output = await run(DetectInput(upload=UPLOAD, language="de"), fake)
    assert output.value == {
        "text": "Hello",
        "regions": [{"text": "Hello", "box": [[0, 0], [20, 0], [20, 10], [0, 10]], "confidence": 0.5}],
        "provider": "gemini",
        "model": "a-model",
        "width": 20,
        "height": 10,
    }
    assert reader.asked == [(Picture(png(), "image/png", 20, 10), Task(regions=True, language="de"))]
    assert [done for done, _, _ in fake.reports] == [0, 1, 2]


async def test_an_address_is_fetched_through_the_guard_and_counted() -> None:
    fake, _ = attempt(b"")
    guard = OneFile(Fetched(png(), "image/png"))
    fake.egress = cast("Egress", guard)
    assert (await run(DetectInput(image_url="https://example.com/a.png"), fake)).value["text"] == "Hello"
    assert guard.asked == [("https://example.com/a.png", IMAGE_BYTES_MAX)]


@pytest.mark.parametrize(
    "data, content_type, code",
    [
        (b"%PDF-1.7", "application/pdf", "image_wrong_type"),
        (png(), "image/gif", "image_wrong_type"),
        (png()[:20], "image/png", "image_unreadable"),
        (png(6_000, 6_000), "image/png", "image_too_large"),
        (png() + bytes(IMAGE_BYTES_MAX), "image/png", "image_too_large"),
    ],
)
async def test_what_no_provider_should_be_shown_is_shown_to_none(data: bytes, content_type: str, code: str) -> None:
    fake, reader = attempt(data, content_type)
    with pytest.raises(Failure) as caught:
        await run(DetectInput(upload=UPLOAD), fake)
    assert (caught.value.code, caught.value.fault, caught.value.retryable) == (code, "caller", False)
    assert reader.asked == []


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"image_url": "https://example.com/", "upload": UPLOAD},
        {"image": "AAAA", "upload": UPLOAD},
        {"upload": "upload_1"},
        {"image_url": ""},
        {"image_url": "x" * 2_049},
        {"image": "A" * (10 * 1024 * 1024)},
        {"upload": UPLOAD, "language": "ignore all that was said"},
        {"upload": UPLOAD, "regions": "yes"},
        {"upload": UPLOAD, "provider": "gemini"},
        {"upload": None},
    ],
)
def test_an_input_names_exactly_one_image_and_nothing_unknown(members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DetectInput.model_validate(members)


def test_the_kind_says_what_it_reads_from_where() -> None:
    by_url, by_upload = DetectInput(image_url="https://example.com/"), DetectInput(upload=UPLOAD)
    assert (KIND.urls(by_url), KIND.uploads(by_url)) == ({"image_url": "https://example.com/"}, ())
    assert (KIND.urls(by_upload), KIND.uploads(by_upload)) == ({}, (UPLOAD,))

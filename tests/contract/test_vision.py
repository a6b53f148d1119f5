"""What `detect` relies on, held against the test providers and, for each *_API_KEY that is set, the real one.

A real one is asked under the URL and the model of its settings, once a test.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

import pytest
from PIL import Image, ImageDraw, ImageFont

from apps.settings import VISION_PROVIDERS, Settings
from apps.worker.vision import DIALECTS
from libs.artifacts.uploads import UploadedFile
from libs.backends.vision import Provider, Vision
from libs.ids import new_id
from libs.kinds.detect import DetectInput, run
from tests.contract.paths import files, read
from tests.fakes.attempt import FakeAttempt
from tests.fakes.vision_providers import NAMES, Line, vision_provider

UPLOAD = new_id("upload")
WIDTH, HEIGHT = 640, 200
LINES = (Line("FAIR QUEUES", (60, 150, 500, 400)), Line("7 pages", (60, 600, 330, 850)))
REAL = [f"real {name}" for name in VISION_PROVIDERS if Settings(_env_file=None).vision_api_key(name)]


class NoBreaker:
    def guard(self) -> nullcontext[NoCall]:
        return nullcontext(NoCall())


class NoCall:
    def answered(self) -> None:
        return


@dataclass(frozen=True)
class Address:
    url: str
    api_key: str
    model: str


@asynccontextmanager
async def address_of(who: str) -> AsyncIterator[Address]:
    name = who.removeprefix("real ")
    if name != who:
        settings = Settings(_env_file=None)
        url, model = getattr(settings, f"{name}_url"), getattr(settings, f"{name}_model")
        yield Address(url, settings.vision_api_key(name), model)
        return
    async with vision_provider(name, lines=LINES) as fake:
        yield Address(fake.url, fake.api_key, fake.model)


@pytest.fixture(params=[*NAMES, *REAL])
async def vision(request: pytest.FixtureRequest) -> AsyncIterator[Vision]:
    name = request.param.removeprefix("real ")
    async with address_of(request.param) as where:
        provider = Provider(
            name, DIALECTS[name], url=where.url, api_key=where.api_key, model=where.model, breaker=NoBreaker()
        )
        opened = Vision([provider])
        yield opened
        await opened.aclose()


@pytest.fixture(params=["PNG", "JPEG", "WEBP"])
def upload(request: pytest.FixtureRequest) -> UploadedFile:
    """Two lines of black letters on white."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(48)
    for line in LINES:
        draw.text((line.box[0] * WIDTH / 1_000, line.box[1] * HEIGHT / 1_000), line.text, "black", font)
    file = io.BytesIO()
    image.save(file, request.param)
    return UploadedFile(UPLOAD, "letters", f"image/{request.param.lower()}", file.getvalue())


async def test_the_letters_of_a_picture_are_read_and_found(vision: Vision, upload: UploadedFile) -> None:
    attempt = FakeAttempt(uploads={UPLOAD: upload}, vision=vision)
    output = (await run(DetectInput(upload=UPLOAD, language="en"), attempt)).value
    assert output["provider"] in vision.names
    assert (output["width"], output["height"]) == (WIDTH, HEIGHT)
    assert "FAIR QUEUES" in output["text"].upper()
    first = next(region for region in output["regions"] if "FAIR" in region["text"].upper())
    (left, top), _, (right, bottom), _ = first["box"]
    assert 0 <= left < right <= WIDTH
    assert 0 <= top < bottom <= HEIGHT * 0.7


async def test_the_text_alone_has_no_regions(vision: Vision, upload: UploadedFile) -> None:
    attempt = FakeAttempt(uploads={UPLOAD: upload}, vision=vision)
    output = (await run(DetectInput(upload=UPLOAD, regions=False), attempt)).value
    assert "FAIR" in output["text"].upper()
    assert output["regions"] == []


PAGE = "docs/how-to/move-from-the-detection-service.md"


async def test_the_page_for_those_who_move_tells_the_truth(vision: Vision, upload: UploadedFile) -> None:
    (asked,) = re.findall(r"-d '(\{.+?\})'\n", read(PAGE))
    assert DetectInput.model_validate_json(asked).image_url
    (told,) = re.findall(r"```json\n(.+?)```", read(PAGE), re.DOTALL)
    output = (await run(DetectInput(upload=UPLOAD), FakeAttempt(uploads={UPLOAD: upload}, vision=vision))).value
    assert json.loads(told).keys() == output.keys()
    assert json.loads(told)["regions"][0].keys() == output["regions"][0].keys()


def test_the_page_names_every_failure_of_a_detect_job() -> None:
    sources = [path.read_text() for path in files("libs/egress", "libs/backends/vision", suffixes=(".py",))]
    sources.append(read("libs/kinds/detect.py"))
    codes = {code for text in sources for code in re.findall(r"(?:Failure|_unfit)\(\s*\"([a-z_]+)\"", text)}
    assert codes
    assert set(re.findall(r"`((?:image|url|text|vision)_[a-z_]+)`", read(PAGE).partition("says why")[2])) == codes

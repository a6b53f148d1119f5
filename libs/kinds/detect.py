"""detect: the text in an image, read by a vision model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from libs.artifacts.dimensions import size_of
from libs.backends.vision import Picture, Task
from libs.egress.target import URL_LENGTH_MAX
from libs.errors import Failure
from libs.kinds.kind import Attempt, CacheableInput, InlineFile, Kind, Output, ResultCache
from libs.limits import PIXELS_MAX

__all__ = ["IMAGE_BYTES_MAX", "IMAGE_TYPES", "KIND", "DetectInput"]

#: What every provider takes: the smallest ceiling among them is 10 MB of base64.
IMAGE_BYTES_MAX: Final = 7 * 1024 * 1024
IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})

_BASE64_LENGTH_MAX: Final = 4 * (-(-IMAGE_BYTES_MAX // 3)) + 64  # and the head of a data URL
_SOURCES: Final = ("image_url", "upload", "image")


class DetectInput(CacheableInput):
    """Which image, and what is wanted of it: exactly one of `image_url`, `upload` and `image`."""

    image_url: Annotated[str, Field(min_length=1, max_length=URL_LENGTH_MAX)] | None = Field(
        None, description="Where the image is: https, a public address"
    )
    upload: Annotated[str, Field(pattern=r"^upload_[0-9a-z]{26}$")] | None = Field(
        None, description="A completed upload of yours"
    )
    image: Annotated[str, Field(min_length=1, max_length=_BASE64_LENGTH_MAX)] | None = Field(
        None, description="The image itself, in base64 or as a data URL"
    )
    regions: bool = Field(default=True, description="Whether the lines and their places are wanted, or the text alone")
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] | None = Field(
        None, description="What the text is probably written in, a BCP 47 tag"
    )

    @model_validator(mode="after")
    def _one_image(self) -> Self:
        if sum(getattr(self, source) is not None for source in _SOURCES) != 1:
            raise ValueError(f"exactly one of {', '.join(_SOURCES)} is needed")
        if self.cache and self.image_url is not None:
            raise ValueError("an address may show another image at any time: `cache` goes with `upload` and `image`")
        return self


def uploads(wanted: DetectInput) -> Sequence[str]:
    """The upload to read, where it is one."""
    return () if wanted.upload is None else (wanted.upload,)


def urls(wanted: DetectInput) -> Mapping[str, str]:
    """The address to fetch from, where it is one."""
    return {} if wanted.image_url is None else {"image_url": wanted.image_url}


async def run(wanted: DetectInput, attempt: Attempt) -> Output:
    """Fetch the image, have it read."""
    await attempt.progress(0, 2, "fetching")
    picture = _picture(*await _image(wanted, attempt))
    await attempt.progress(1, 2, "reading")
    answer = await attempt.backends.vision.read(picture, Task(wanted.regions, wanted.language))
    await attempt.progress(2, 2, "read")
    facts = {"provider": answer.provider, "model": answer.model, "width": picture.width, "height": picture.height}
    return Output({**answer.reading.as_json(), **facts})


async def _image(wanted: DetectInput, attempt: Attempt) -> tuple[bytes, str]:
    """The bytes and what they are."""
    if wanted.image_url is not None:
        fetched = await attempt.backends.egress.fetch(wanted.image_url, bytes_max=IMAGE_BYTES_MAX, types=IMAGE_TYPES)
        return fetched.data, fetched.content_type
    file = await attempt.open(wanted.upload or "")
    return file.data, file.content_type


def _picture(data: bytes, content_type: str) -> Picture:
    """What a provider is shown; raises Failure for what none should be."""
    if content_type not in IMAGE_TYPES:
        raise _unfit("image_wrong_type", f"{content_type} is none of {', '.join(sorted(IMAGE_TYPES))}")
    if len(data) > IMAGE_BYTES_MAX:
        raise _unfit("image_too_large", f"The image has more than {IMAGE_BYTES_MAX} bytes")
    size = size_of(data, content_type)
    if size is None:
        raise _unfit("image_unreadable", "The image's header cannot be read")
    if size.pixels > PIXELS_MAX:
        raise _unfit("image_too_large", f"The image has more than {PIXELS_MAX // 1_000_000} megapixels")
    return Picture(data, content_type, size.width, size.height)


def _unfit(code: str, detail: str) -> Failure:
    return Failure(code, detail, fault="caller")


KIND = Kind(
    name="detect",
    queue="net",
    input=DetectInput,
    run=run,
    summary="The text in an image, read by a vision model",
    uploads=uploads,
    urls=urls,
    inline_file=InlineFile("image", "upload", IMAGE_TYPES, IMAGE_BYTES_MAX),
    cache=ResultCache(),
    timeout_s=180,
    attempts_max=4,
    body_bytes_max=None,  # a picture may stand in it
)

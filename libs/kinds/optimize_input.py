"""What a caller may ask of `optimize`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Self

import orjson
from pydantic import AfterValidator, Field, model_validator

from libs.backends.prediction import MODEL_NAME
from libs.egress.target import URL_LENGTH_MAX
from libs.kinds.kind import CacheableInput
from libs.strict import at_most

__all__ = [
    "IMAGE_BYTES_MAX",
    "IMAGE_TYPES",
    "PARAMETERS_BYTES_MAX",
    "PARAMETERS_DEPTH_MAX",
    "PARAMETERS_MAX",
    "OptimizeInput",
    "addresses_in",
]

#: As much as goes to a provider within a request, where it cannot fetch the image from us.
IMAGE_BYTES_MAX: Final = 7 * 1024 * 1024
IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
PARAMETERS_MAX: Final = 50
PARAMETERS_DEPTH_MAX: Final = 5
PARAMETERS_BYTES_MAX: Final = 16 * 1024

_BASE64_LENGTH_MAX: Final = 4 * (-(-IMAGE_BYTES_MAX // 3)) + 64  # and the head of a data URL
_SOURCES: Final = ("image_url", "upload", "image")
_OURS: Final = ("prompt", "aspect_ratio", "output_format")


def _bounded(parameters: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(parameters)) > PARAMETERS_BYTES_MAX:  # first: what is longer is not looked into
        raise ValueError(f"longer than {PARAMETERS_BYTES_MAX} bytes")
    if _depth(parameters) > PARAMETERS_DEPTH_MAX:
        raise ValueError(f"nested deeper than {PARAMETERS_DEPTH_MAX}")
    return parameters


ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
Parameters = Annotated[
    dict[ParameterName, Any], Field(max_length=PARAMETERS_MAX), AfterValidator(_bounded), at_most(PARAMETERS_MAX)
]


class OptimizeInput(CacheableInput):
    """Which image, if any, which model, and what it is told. At most one of `image_url`, `upload` and `image`."""

    image_url: Annotated[str, Field(min_length=1, max_length=URL_LENGTH_MAX)] | None = Field(
        None, description="Where the image is: https, a public address"
    )
    upload: Annotated[str, Field(pattern=r"^upload_[0-9a-z]{26}$")] | None = Field(
        None, description="A completed upload of yours"
    )
    image: Annotated[str, Field(min_length=1, max_length=_BASE64_LENGTH_MAX)] | None = Field(
        None, description="The image itself, in base64 or as a data URL"
    )
    model: Annotated[str, Field(max_length=200, pattern=f"^{MODEL_NAME}$")] | None = Field(
        None, description="owner/name, or owner/name:version; absent: the deployment's own"
    )
    prompt: Annotated[str, Field(min_length=1, max_length=5_000)] | None = None
    aspect_ratio: Annotated[str, Field(pattern=r"^([1-9]\d{0,3}:[1-9]\d{0,3}|match_input_image)$")] | None = Field(
        None, description="Width to height, as 16:9; absent: the deployment's own, or the model's"
    )
    output_format: Annotated[str, Field(pattern=r"^[a-z0-9]{2,8}$")] | None = Field(None, description="png, webp, …")
    parameters: Parameters = Field(default_factory=dict, description="Whatever else the model takes, by its names")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(getattr(self, source) is not None for source in _SOURCES) > 1:
            raise ValueError(f"at most one of {', '.join(_SOURCES)} is possible")
        if not self.prompt and not self.parameters and all(getattr(self, source) is None for source in _SOURCES):
            raise ValueError(f"one of {', '.join(_SOURCES)}, prompt and parameters is needed")
        twice = [name for name in _OURS if name in self.parameters]
        if twice:
            raise ValueError(f"{twice[0]} is a member of its own and does not belong into parameters")
        if self.cache and (self.image_url is not None or any(addresses_in(self.parameters))):
            raise ValueError("an address may show another image at any time: `cache` goes with `upload` and `image`")
        return self


def addresses_in(value: Any, at: str = "parameters") -> Iterator[tuple[str, str]]:
    """Every text that is an address somebody may fetch from, however deep it stands, behind its place."""
    if isinstance(value, str):
        if "://" in value[:32]:
            yield at, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from addresses_in(each, f"{at}/{name}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from addresses_in(each, f"{at}/{index}")


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0

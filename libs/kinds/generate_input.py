"""What a caller may ask of `generate`. Every bound is one of the product's, told in its own words when it is passed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from libs.kinds.kind import Input
from libs.strict import at_most

__all__ = ["LORAS_MAX", "SEED_MAX", "SIDE", "GenerateInput", "Lora"]

#: LoRAs that may be laid over one checkpoint.
LORAS_MAX = 8
#: A picture's side, in pixels, when nobody says.
SIDE = 512

#: The largest integer that every JSON client keeps exactly (RFC 8259, section 6).
SEED_MAX = 2**53 - 1
_RANDOM = -1
_OLD_SAMPLERS = {"euler_a": "euler_ancestral"}


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _present_name(sampler: Any) -> Any:
    """The names that the former image service had for samplers."""
    return _OLD_SAMPLERS.get(sampler, sampler) if isinstance(sampler, str) else sampler


def _not_null(side: Any) -> Any:
    """A side may be left out, but null is none."""
    if side is None:
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return side


def _no_default(schema: dict[str, Any]) -> None:
    """None stands for a side that was left out, and is not one that could be given."""
    del schema["default"]


#: Two sides of 2048 make 4,194,304 pixels, the most that a picture may have. One that is left out follows the others.
Side = Annotated[
    Annotated[int, Field(ge=64, le=2048, multiple_of=8)] | None,
    BeforeValidator(_not_null),
    WithJsonSchema({"type": "integer", "minimum": 64, "maximum": 2048, "multipleOf": 8}),
]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Strength = Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]


class Lora(Input):
    """A LoRA of the backend's. `strength` is for the model, and for the text encoder too unless `clip_strength` is."""

    name: Name
    strength: Strength = 1.0
    clip_strength: Strength | None = None


class GenerateInput(Input):
    """What to draw. Sides are in pixels; `seed` -1 or absent is drawn at submission, and always told.

    The pictures of a batch have the seeds from `seed` on: with its own seed alone each is drawn again as it was.
    """

    prompt: Annotated[str, Field(min_length=1, max_length=5_000), AfterValidator(_not_blank)]
    negative_prompt: Annotated[str, Field(max_length=2_000)] = ""
    model: Name | None = Field(None, description="A checkpoint of the backend's; absent: the first it lists")
    init_image: Annotated[str, Field(pattern=r"^upload_[0-9a-z]{26}$")] | None = Field(
        None, description="A completed upload of yours to start from: PNG, JPEG or WEBP"
    )
    denoise: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="How far to go from `init_image`: 1 leaves nothing of it; absent: 0.75"
    )
    loras: Annotated[tuple[Lora, ...], Field(max_length=LORAS_MAX, strict=False), at_most(LORAS_MAX)] = ()
    width: Side = Field(
        None, description="Absent: 512, or as `init_image`; what stands over is cut off", json_schema_extra=_no_default
    )
    height: Side = Field(None, description="The same, for the height", json_schema_extra=_no_default)
    steps: Annotated[int, Field(ge=1, le=150)] = 20
    cfg_scale: Annotated[
        float, Field(ge=1, le=30, allow_inf_nan=False, validation_alias=AliasChoices("cfg_scale", "cfg"))
    ] = 7.0
    sampler: Annotated[Name, BeforeValidator(_present_name)] = "euler_ancestral"
    scheduler: Name = "normal"
    seed: Annotated[int, Field(ge=_RANDOM, le=SEED_MAX)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=10)] = 1

    @field_validator("denoise")
    @classmethod
    def _only_from_an_image(cls, denoise: float | None, given: ValidationInfo) -> float | None:
        if denoise is not None and given.data.get("init_image") is None:
            raise ValueError("needs an init_image")
        return denoise

    @property
    def fixed_seed(self) -> int | None:
        """The seed, or None where it is still to be drawn."""
        return None if self.seed == _RANDOM else self.seed

    def seeds(self, first: int) -> tuple[int, ...]:
        """The seed of each picture of the batch, the first one's given."""
        return tuple((first + index) % (SEED_MAX + 1) for index in range(self.batch_size))

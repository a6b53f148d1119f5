"""What a caller may ask of `generate`. Every bound is one of the product's, told in its own words when it is passed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field

from libs.kinds.kind import Input

__all__ = ["SEED_MAX", "GenerateInput"]

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


#: Two sides of 2048 make 4,194,304 pixels, the most that a picture may have.
Side = Annotated[int, Field(ge=64, le=2048, multiple_of=8)]
Name = Annotated[str, Field(min_length=1, max_length=255)]


class GenerateInput(Input):
    """What to draw. Sides are in pixels; `seed` -1 or absent is drawn at submission, and always told."""

    prompt: Annotated[str, Field(min_length=1, max_length=5_000), AfterValidator(_not_blank)]
    negative_prompt: Annotated[str, Field(max_length=2_000)] = ""
    model: Name | None = Field(None, description="A checkpoint of the backend's; absent: the first it lists")
    width: Side = 512
    height: Side = 512
    steps: Annotated[int, Field(ge=1, le=150)] = 20
    cfg_scale: Annotated[
        float, Field(ge=1, le=30, allow_inf_nan=False, validation_alias=AliasChoices("cfg_scale", "cfg"))
    ] = 7.0
    sampler: Annotated[Name, BeforeValidator(_present_name)] = "euler_ancestral"
    scheduler: Name = "normal"
    seed: Annotated[int, Field(ge=_RANDOM, le=SEED_MAX)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=10)] = 1

    @property
    def fixed_seed(self) -> int | None:
        """The seed, or None where it is still to be drawn."""
        return None if self.seed == _RANDOM else self.seed

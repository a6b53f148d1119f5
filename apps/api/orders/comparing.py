"""Ordering a comparison: one input, and variants that each change a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import Field, field_validator

from apps.api.orders.order import Envelope, Order, apply, kind_named
from apps.api.request import Request
from libs import limits
from libs.admission.admit import Application
from libs.comparisons.comparison import Variant
from libs.errors import Refusal
from libs.ids import new_id
from libs.strict import Strict, at_most

__all__ = ["NewComparison", "NewVariant", "ordered_variants"]


class NewVariant(Strict):
    """A variant: what it changes of the common input, as a JSON merge patch (RFC 7396)."""

    name: str = Field(min_length=1, max_length=limits.VARIANT_NAME_LENGTH_MAX)
    input: dict[str, Any] = Field(default_factory=dict)


class NewComparison(Order):
    """The body of `POST /api/v1/comparisons`: what all variants share, and the variants."""

    kind: str = "generate"
    variants: Annotated[
        list[NewVariant],
        Field(min_length=limits.COMPARED_MIN, max_length=limits.COMPARED_MAX),
        at_most(limits.COMPARED_MAX),
    ]

    @field_validator("variants")
    @classmethod
    def _named_apart_and_small(cls, variants: list[NewVariant]) -> list[NewVariant]:
        if len({variant.name for variant in variants}) < len(variants):
            raise ValueError("every variant needs a name of its own")
        if sum(len(orjson.dumps(variant.input)) for variant in variants) > limits.COMPARED_BYTES_MAX:
            raise ValueError(f"what variants change has at most {limits.COMPARED_BYTES_MAX} bytes as JSON, together")
        return variants


async def ordered_variants(
    request: Request, route: str, body: Mapping[str, Any], wanted: NewComparison
) -> tuple[list[Variant], list[Application]]:
    """Each variant with the job it is to have. What is drawn for the first is shared by all that leave it to chance."""
    drawn = kind_named(wanted.kind).drawn
    variants: list[Variant] = []
    orders: list[Application] = []
    left: dict[str, Any] = {}
    for number, variant in enumerate(wanted.variants):
        asked = merged(wanted.input, variant.input)
        shared = {name: orders[0].input[name] for name in drawn if orders and asked.get(name) == left[name]}
        left = left or {name: asked.get(name) for name in drawn}
        envelope = Envelope(**{**_common(wanted), "input": {**asked, **shared}})
        try:
            orders.append(await apply(request, route, body, envelope, ("input",)))
        except Refusal as refusal:
            _anchor(refusal, number, variant)
            raise
        variants.append(Variant(variant.name, variant.input, new_id("job")))
    return variants, orders


def merged(target: Any, patch: Any) -> Any:
    """JSON Merge Patch (RFC 7396, section 2): members of objects are merged, null takes one away."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _common(wanted: NewComparison) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in Order.model_fields if name != "input"}


def _anchor(refusal: Refusal, number: int, variant: NewVariant) -> None:
    """What a variant has changed is wrong there; the rest is wrong for all."""
    changed = tuple(f"#/input/{name}" for name in variant.input)
    refusal.errors = tuple(
        {**error, "pointer": error["pointer"].replace("#/", f"#/variants/{number}/", 1)}
        if error.get("pointer", "").startswith(changed)
        else error
        for error in refusal.errors
    )

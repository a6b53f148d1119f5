"""Every body that a route takes: pydantic collects all errors before one is told, so there must not be many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from apps.api.batches.order import BatchEnvelope, ItemEnvelope, NewBatch
from apps.api.routes import ROUTES
from apps.api.validation import validated
from libs import limits
from libs.errors import Refusal

_TOLD = {body for route in ROUTES for body in route.body if body is not None}
#: A batch's items are read one at a time, by their kind: the model of the whole is for the document.
BODIES = sorted(_TOLD - {NewBatch} | {BatchEnvelope, ItemEnvelope}, key=lambda body: body.__name__)
#: More than any two lists within each other could have wrong, each entry as wrong as can be.
ERRORS_MAX = 1_000
_ODD = {f"no{number}": 1 for number in range(limits.VALIDATION_ERRORS_MAX)}
_HUGE: tuple[Any, ...] = (
    [_ODD] * 10_000,
    [[]] * 10_000,
    {f"{number} no": _ODD for number in range(10_000)},
    "x" * 1_000_000,
)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def attacks_on(model: type[BaseModel]) -> Iterator[dict[str, Any]]:
    """Bodies with as much wrong as fits, in each member and in what stands in each member."""
    yield {f"no{number}": 1 for number in range(100_000)}
    for name, field in model.model_fields.items():
        for huge in _HUGE:
            yield {name: huge, **_ODD}
        for inner in models_in(field.annotation):
            for attack in attacks_on(inner):
                yield {name: attack}
                for count in (8, 64, 10_000):
                    yield {name: [attack | {"type": "string"}] * count}
                    yield {name: [{**attack, **_ODD}] * count}


def errors_in(model: type[BaseModel], body: object) -> int:
    try:
        model.model_validate(body)
    except ValidationError as error:
        return error.error_count()
    return 0


@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
def test_no_body_has_more_wrong_than_is_soon_told(model: type[BaseModel]) -> None:
    counts = [errors_in(model, attack) for attack in attacks_on(model)]
    assert max(counts) <= ERRORS_MAX
    assert counts[0] > 0


def refusal_of(model: type[BaseModel], body: object) -> Refusal | None:
    try:
        validated(model, body)
    except Refusal as refusal:
        return refusal
    return None


@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
def test_no_more_than_fifty_errors_are_told(model: type[BaseModel]) -> None:
    for attack in attacks_on(model):
        refused = refusal_of(model, attack)
        assert refused is None or 1 <= len(refused.errors) <= limits.VALIDATION_ERRORS_MAX


def test_every_route_that_takes_a_body_says_how_much_of_one() -> None:
    assert [route.path for route in ROUTES if route.body and route.takes is None] == []

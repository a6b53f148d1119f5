"""What may be asked of `optimize`, at the limits and past them, and what a provider is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from libs.access.plan import DEFAULT_PLANS
from libs.artifacts.uploads import UploadedFile
from libs.backends.prediction import Order, Prediction, Predictions, Terms, catalogue_of
from libs.backends.prediction.order import MakeOrder
from libs.backends.submission import Submission, Watcher
from libs.errors import Failure, Refusal
from libs.kinds.kind import Offer, Wait
from libs.kinds.optimize import KIND, check, run
from libs.kinds.optimize_input import PARAMETERS_BYTES_MAX, PARAMETERS_DEPTH_MAX, PARAMETERS_MAX, OptimizeInput
from tests.fakes.attempt import FakeAttempt
from tests.fakes.pixels import PNG

URL = "https://pictures.example.com/a.png"
UPLOAD = "upload_01jd3f8x5e0000000000000000"
LIMITS = DEFAULT_PLANS["free"]
_TERMS = Terms("a/b")


class Listener:
    """A maker of predictions that remembers what it is asked for."""

    name = "listener"
    max_wait_s = 60.0

    def __init__(self, terms: Terms, *, fetches: bool = True) -> None:
        self.terms = terms
        self.fetches = fetches
        self.orders: list[Order] = []

    async def aclose(self) -> None:
        return

    async def advance(self, order: MakeOrder, watcher: Watcher) -> Prediction | None:
        self.orders.append(await order())
        return None

    async def end(self, order: MakeOrder, submission: Submission, job_id: str) -> None:
        return

    async def discard(self, watcher: Watcher) -> None:
        return


async def told(terms: Terms = _TERMS, *, fetches: bool = True, **members: Any) -> Order:
    listener = Listener(terms, fetches=fetches)
    picture = UploadedFile(UPLOAD, "a.png", "image/png", PNG)
    attempt = FakeAttempt(predictions=Predictions([listener]), uploads={UPLOAD: picture})
    assert await run(OptimizeInput(**members), attempt) == Wait(61.0)
    return listener.orders[0]


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth > 1 else {}


GOOD: list[Mapping[str, Any]] = [
    {"image_url": URL},
    {"prompt": "a cat"},
    {"parameters": {"text": "a cat"}},
    {"upload": UPLOAD, "model": "a/b:" + "0" * 64, "aspect_ratio": "16:9", "output_format": "webp"},
    {"prompt": "x" * 5_000},
    {"prompt": "a", "parameters": {f"p{n}": n for n in range(PARAMETERS_MAX)}},
    {"prompt": "a", "parameters": nested(PARAMETERS_DEPTH_MAX)},
    {"parameters": {"a": "x" * (PARAMETERS_BYTES_MAX - len('{"a":""}'))}},
    {"upload": UPLOAD, "cache": True},
]
BAD: list[Mapping[str, Any]] = [
    {},
    {"image_url": URL, "upload": UPLOAD},
    {"prompt": ""},
    {"prompt": "x" * 5_001},
    {"prompt": "a", "model": "b"},
    {"prompt": "a", "model": "a/b/c"},
    {"prompt": "a", "model": "a/../b"},
    {"prompt": "a", "model": "a/b:latest"},
    {"prompt": "a", "aspect_ratio": "wide"},
    {"prompt": "a", "output_format": "../png"},
    {"prompt": "a", "unknown": 1},
    {"prompt": "a", "parameters": {f"p{n}": n for n in range(PARAMETERS_MAX + 1)}},
    {"prompt": "a", "parameters": nested(PARAMETERS_DEPTH_MAX + 1)},
    {"parameters": {"a": "x" * (PARAMETERS_BYTES_MAX - len('{"a":""}') + 1)}},
    {"parameters": {"no name": 1}},
    {"parameters": {"x" * 65: 1}},
    {"parameters": {"prompt": "a cat"}},
    {"image_url": URL, "cache": True},
    {"parameters": {"mask": [URL]}, "cache": True},
]


@pytest.mark.parametrize("members", GOOD)
def test_what_is_within_the_limits_is_taken(members: Mapping[str, Any]) -> None:
    OptimizeInput.model_validate(members)


@pytest.mark.parametrize("members", BAD)
def test_what_is_past_them_is_not(members: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OptimizeInput.model_validate(members)


def test_every_address_is_shown_to_the_guard_under_its_place() -> None:
    wanted = OptimizeInput(image_url=URL, parameters={"mask": URL, "more": [{"deep": "http://10.0.0.1/"}], "n": 1})
    assert KIND.urls(wanted) == {
        "image_url": URL,
        "parameters/mask": URL,
        "parameters/more/0/deep": "http://10.0.0.1/",
    }


async def test_a_model_is_told_what_was_asked_and_nothing_that_was_not() -> None:
    assert (await told(prompt="a cat")).input == {"prompt": "a cat"}
    order = await told(Terms("a/b", ("c/d",), "1:1", "image_input[]"), image_url=URL, model="c/d", parameters={"n": 1})
    assert (order.model, order.input) == ("c/d", {"aspect_ratio": "1:1", "n": 1, "image_input": [URL]})
    assert (await told(Terms("a/b", aspect_ratio="1:1"), prompt="a", aspect_ratio="2:3")).input["aspect_ratio"] == "2:3"


async def test_an_upload_without_a_public_address_goes_along_as_bytes() -> None:
    order = await told(upload=UPLOAD)
    assert order.input["image"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    "terms, named, code",
    [
        (Terms(), None, "model_required"),
        (Terms("a/b"), "c/d", "model_not_offered"),
        (Terms("a/b", ("e/f",)), "c/d", "model_not_offered"),
    ],
)
async def test_a_model_that_is_not_run_here_is_not_asked(terms: Terms, named: str | None, code: str) -> None:
    with pytest.raises(Failure) as failed:
        await told(terms, prompt="a", model=named)
    assert (failed.value.code, failed.value.fault) == (code, "caller")
    with pytest.raises(Refusal) as refused:
        check(OptimizeInput(prompt="a", model=named), Offer(catalogue_of([terms])), LIMITS)
    assert refused.value.errors[0]["pointer"] == "#/input/model"


def test_models_that_are_run_may_be_named_in_any_version() -> None:
    offer = Offer(catalogue_of([Terms("a/b:" + "1" * 64, ("c/d",))]))
    for named in (None, "a/b", "a/b:" + "0" * 64, "c/d"):
        check(OptimizeInput(prompt="a", model=named), offer, LIMITS)
    check(OptimizeInput(prompt="a", model="x/y"), Offer(catalogue_of([Terms("a/b", ("*",))])), LIMITS)
    check(OptimizeInput(prompt="a", model="x/y"), Offer(), LIMITS)


async def test_the_model_says_who_is_asked() -> None:
    first, second = Listener(Terms("a/b")), Listener(Terms("c/d"))
    first.name, second.name = "first", "second"
    predictions = Predictions([first, second])
    assert predictions.maker("c/d").name == "second"
    assert predictions.maker(None).name == predictions.maker("x/y").name == "first"
    assert predictions.maker("a/b", Submission("second", "made:1:p", 1)).name == "second"

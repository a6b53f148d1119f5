"""Vision against providers that are strict, slow, broken or beside themselves; the breaker is the real one."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from PIL import Image

from libs.backends.breaker import Breaker, Rule
from libs.backends.vision import Picture, Provider, Task, Vision
from libs.backends.vision.chat import KIMI, MISTRAL, QWEN
from libs.backends.vision.dialect import Dialect
from libs.backends.vision.gemini import GEMINI
from libs.errors import Failure, Unavailable
from libs.logs import JsonLines
from libs.store.client import Store
from tests.fakes.vision_providers import LINES, NAMES, FakeProvider, vision_provider
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt

DIALECTS: dict[str, Dialect] = {"gemini": GEMINI, "mistral": MISTRAL, "qwen": QWEN, "kimi": KIMI}
#: Faults of a provider, after which its breaker counts; the slow ones have tests of their own.
TROUBLE = [
    "500",
    "503 in HTML",
    "408",
    "200 in HTML",
    "a redirect",
    "no HTTP",
    "cut",
    "JSON of another kind",
    "a list",
    "no choice",
    "a choice of nothing",
    "prose",
    "no text",
    "a region of nothing",
    "far too much",
]

Open = Callable[..., Vision]


def picture() -> Picture:
    file = io.BytesIO()
    Image.new("RGB", (200, 100), "white").save(file, "PNG")
    return Picture(file.getvalue(), "image/png", 200, 100)


@pytest.fixture
async def fakes() -> AsyncIterator[dict[str, FakeProvider]]:
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(vision_provider(name)) for name in NAMES}


@pytest.fixture
async def vision(store: Store, fakes: dict[str, FakeProvider]) -> AsyncIterator[Open]:
    """Opens a Vision over some of the fakes, as one worker has it."""
    opened: list[Vision] = []

    def make(*names: str, timeout_s: float = 5.0, errors: list[tuple[str, str]] | None = None, key: str = "") -> Vision:
        providers = [
            Provider(
                name,
                DIALECTS[name],
                url=fakes[name].url,
                api_key=key or fakes[name].api_key,
                model=fakes[name].model,
                breaker=Breaker(store, name, Rule(failures_in_a_row=5)),
                timeout_s=timeout_s,
            )
            for name in names
        ]
        heard = errors if errors is not None else []
        opened.append(Vision(providers, on_error=lambda name, code: heard.append((name, code))))
        return opened[-1]

    yield make
    for each in opened:
        await each.aclose()


# One provider


@pytest.mark.parametrize("name", NAMES)
async def test_a_strict_provider_takes_the_request_and_its_boxes_come_out_in_pixels(
    name: str, vision: Open, fakes: dict[str, FakeProvider]
) -> None:
    answer = await vision(name).read(picture(), Task())
    assert fakes[name].refused == []
    assert fakes[name].pictures == [picture().data]
    assert (answer.provider, answer.model) == (name, "a-model")
    assert answer.reading.as_json() == {
        "text": "Hello\nworld",
        "regions": [
            {"text": "Hello", "box": [[20, 20], [60, 20], [60, 40], [20, 40]], "confidence": 0.9},
            {"text": "world", "box": [[100, 50], [200, 50], [200, 75], [100, 75]], "confidence": 0.5},
        ],
    }


@pytest.mark.parametrize("name", NAMES)
async def test_the_text_alone_can_be_asked_for_in_a_language(
    name: str, vision: Open, fakes: dict[str, FakeProvider]
) -> None:
    answer = await vision(name).read(picture(), Task(regions=False, language="pt-BR"))
    assert answer.reading.as_json() == {"text": "Hello\nworld", "regions": []}
    assert fakes[name].refused == []
    assert b"pt-BR" in fakes[name].asked[0].body


# The next one


@pytest.mark.parametrize("fault", TROUBLE)
@pytest.mark.parametrize("name", ["gemini", "qwen"])
async def test_when_one_fails_the_next_one_reads(
    name: str, fault: str, vision: Open, fakes: dict[str, FakeProvider]
) -> None:
    fakes[name].faults.append(fault)
    following = "kimi"
    errors: list[tuple[str, str]] = []
    assert (await vision(name, following, errors=errors).read(picture(), Task())).provider == following
    assert errors == [(name, "trouble")]


@pytest.mark.parametrize("fault", ["429", "401", "403", "404"])
async def test_when_one_is_not_to_be_had_the_next_one_reads(
    fault: str, vision: Open, fakes: dict[str, FakeProvider]
) -> None:
    fakes["mistral"].faults.append(fault)
    errors: list[tuple[str, str]] = []
    assert (await vision("mistral", "qwen", errors=errors).read(picture(), Task())).provider == "qwen"
    assert errors == [("mistral", "away")]


@pytest.mark.parametrize("fault", ["400", "413", "truncated"])
async def test_when_one_cannot_deal_with_a_picture_the_next_one_is_asked(
    fault: str, vision: Open, fakes: dict[str, FakeProvider]
) -> None:
    for name in ("gemini", "qwen"):
        fakes[name].faults.append(fault)
    assert (await vision("gemini", "qwen", "kimi").read(picture(), Task())).provider == "kimi"


async def test_they_are_asked_in_the_order_that_the_operator_chose(
    vision: Open, fakes: dict[str, FakeProvider]
) -> None:
    assert (await vision("kimi", "gemini").read(picture(), Task())).provider == "kimi"
    assert (await vision("gemini", "kimi").read(picture(), Task())).provider == "gemini"
    assert [len(fakes[name].asked) for name in ("kimi", "gemini", "mistral")] == [1, 1, 0]


@pytest.mark.parametrize("fault", ["hang", "drip"])
async def test_a_slow_one_costs_its_time_limit_and_no_more(
    fault: str, vision: Open, fakes: dict[str, FakeProvider], prompt: Prompt
) -> None:
    fakes["gemini"].always = fault
    began = time.monotonic()
    with prompt(3):
        assert (await vision("gemini", "mistral", timeout_s=0.3).read(picture(), Task())).provider == "mistral"
    assert time.monotonic() - began > 0.25


async def test_one_that_is_not_there_costs_nothing(store: Store, vision: Open, fakes: dict[str, FakeProvider]) -> None:
    fakes["gemini"].url = "http://127.0.0.1:9"
    assert (await vision("gemini", "mistral").read(picture(), Task())).provider == "mistral"


# What it comes to


async def test_when_all_fail_the_job_may_try_again(vision: Open, fakes: dict[str, FakeProvider]) -> None:
    fakes["gemini"].always, fakes["qwen"].always = "500", "prose"
    with pytest.raises(Failure) as caught:
        await vision("gemini", "qwen").read(picture(), Task())
    assert (caught.value.code, caught.value.retryable, caught.value.fault) == ("vision_failed", True, "ours")


async def test_when_none_accepts_the_picture_it_is_final(vision: Open, fakes: dict[str, FakeProvider]) -> None:
    fakes["gemini"].always, fakes["qwen"].always = "400", "500"
    with pytest.raises(Failure) as caught:
        await vision("gemini", "qwen").read(picture(), Task())
    assert (caught.value.code, caught.value.retryable, caught.value.fault) == ("image_rejected", False, "caller")


async def test_too_much_text_is_said_to_be_that(vision: Open, fakes: dict[str, FakeProvider]) -> None:
    fakes["gemini"].always = fakes["qwen"].always = "truncated"
    with pytest.raises(Failure) as caught:
        await vision("gemini", "qwen").read(picture(), Task())
    assert (caught.value.code, caught.value.retryable) == ("text_too_long", False)


@pytest.mark.parametrize("name", NAMES)
async def test_a_provider_that_declines_has_the_last_word(
    name: str, vision: Open, fakes: dict[str, FakeProvider]
) -> None:
    fakes[name].always = "declined"
    following = "kimi" if name != "kimi" else "gemini"
    with pytest.raises(Failure) as caught:
        await vision(name, following).read(picture(), Task())
    assert (caught.value.code, caught.value.retryable, caught.value.fault) == ("image_declined", False, "caller")
    assert fakes[following].asked == []


async def test_without_a_provider_a_job_waits_for_the_operator(vision: Open) -> None:
    with pytest.raises(Unavailable, match="configured"):
        await vision().read(picture(), Task())


async def test_a_busy_provider_says_when_to_come_back(vision: Open, fakes: dict[str, FakeProvider]) -> None:
    fakes["gemini"].always = "429"
    with pytest.raises(Unavailable) as caught:
        await vision("gemini").read(picture(), Task())
    assert caught.value.retry_in_s == 7


# The breaker


@pytest.mark.parametrize("fault", ["500", "no HTTP", "prose", "hang"])
async def test_five_failures_and_all_workers_leave_it_alone(
    fault: str, vision: Open, fakes: dict[str, FakeProvider]
) -> None:
    fakes["gemini"].always = fault
    one, other = (vision("gemini", "mistral", timeout_s=0.2) for _ in range(2))
    for _ in range(5):
        await one.read(picture(), Task())
    assert len(fakes["gemini"].asked) == 5
    for worker in (one, other):
        assert (await worker.read(picture(), Task())).provider == "mistral"
    assert len(fakes["gemini"].asked) == 5


async def test_while_all_are_left_alone_a_job_waits_and_uses_no_attempt(
    vision: Open, fakes: dict[str, FakeProvider]
) -> None:
    fakes["gemini"].always = "500"
    worker = vision("gemini")
    for _ in range(5):
        with pytest.raises(Failure):
            await worker.read(picture(), Task())
    with pytest.raises(Unavailable) as caught:
        await worker.read(picture(), Task())
    assert 3 < caught.value.retry_in_s <= 6


@pytest.mark.parametrize("fault", ["400", "401", "429", "declined", "truncated"])
async def test_an_answer_in_its_own_words_is_no_failure_of_a_provider(
    fault: str, vision: Open, fakes: dict[str, FakeProvider]
) -> None:
    fakes["qwen"].always = fault
    worker = vision("qwen")
    for _ in range(8):
        with pytest.raises((Failure, Unavailable)):
            await worker.read(picture(), Task())
    assert len(fakes["qwen"].asked) == 8


# Secrets


@pytest.mark.parametrize("fault", [None, "401", "403", "400", "500", "429", "prose"])
@pytest.mark.parametrize("name", NAMES)
async def test_no_key_is_told_whoever_quotes_it(
    name: str, fault: str | None, vision: Open, fakes: dict[str, FakeProvider], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = "wrong-canary-of-a-key" if fault is None else fakes[name].api_key
    fakes[name].always = fault
    with pytest.raises((Failure, Unavailable)) as caught:
        await vision(name, key=key).read(picture(), Task())
    lines = [JsonLines().format(record) for record in caplog.records]
    assert not any(secret in text for secret in (key, fakes[name].api_key) for text in (*lines, repr(caught.value)))
    assert all(key not in asked.path for asked in fakes[name].asked)


@pytest.mark.parametrize("name", NAMES)
async def test_a_wrong_key_is_the_operators_to_mend(
    name: str, vision: Open, fakes: dict[str, FakeProvider], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Unavailable):
        await vision(name, key="wrong").read(picture(), Task())
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage().startswith(f"{name} answers with status")


async def test_what_is_read_is_not_logged(
    vision: Open, fakes: dict[str, FakeProvider], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await vision("gemini", "kimi").read(picture(), Task())
    said = "".join(JsonLines().format(record) for record in caplog.records)
    assert LINES[0].text not in said
    assert picture().base64[:40] not in said


# Stopping


async def test_being_canceled_says_nothing_of_the_provider(vision: Open, fakes: dict[str, FakeProvider]) -> None:
    fakes["gemini"].always = "hang"
    worker = vision("gemini")
    for _ in range(8):
        task = asyncio.create_task(worker.read(picture(), Task()))
        asked = len(fakes["gemini"].asked)
        async with asyncio.timeout(PATIENCE_S):
            while len(fakes["gemini"].asked) == asked:
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    fakes["gemini"].always = None
    assert (await worker.read(picture(), Task())).provider == "gemini"

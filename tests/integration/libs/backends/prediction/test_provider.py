"""The way of a prediction, cut off at every step: whoever goes on finds what there is, and pays for nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import pytest

from libs.backends import breaker, limiter
from libs.backends.prediction import Notes, Order, Poller, Provider, Server, Terms
from libs.backends.prediction.prediction import Page, Prediction
from libs.backends.submission import Submission
from libs.errors import Failure, Unavailable
from libs.store.client import Store
from tests.fakes.attempt import FakeAttempt, stop
from tests.fakes.prediction_api import MODEL, TOKEN
from tests.fakes.prediction_provider import PredictionProvider, prediction_provider
from tests.patience import PATIENCE_S

numbers = count()


class CrashError(Exception):
    """The worker is gone."""


@dataclass
class Mortal(FakeAttempt):
    """An attempt whose worker dies when it is about to record a reference that begins so."""

    dies_at: str = ""
    then: Callable[[], None] = lambda: None

    async def submitted(self, submission: Submission) -> None:
        if self.dies_at and submission.ref.startswith(self.dies_at):
            raise CrashError
        await super().submitted(submission)
        self.submission = submission
        self.then()


@dataclass
class Desk:
    """A provider's client on real servers, and what it said."""

    provider: Provider
    far: PredictionProvider
    store: Store
    before: int
    shut_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def attempt(self, submission: Submission | None = None, **members: object) -> Mortal:
        return Mortal(job_id=f"job_{next(numbers):026d}", submission=submission, **members)  # type: ignore[arg-type]

    def after(self, attempt: Mortal) -> Mortal:
        """The attempt of whoever takes the job over."""
        return Mortal(job_id=attempt.job_id, number=attempt.number + 1, submission=attempt.submission)

    async def advance(self, attempt: FakeAttempt, order: Order | None = None) -> Prediction | None:
        async def made() -> Order:
            return order or Order(MODEL, {"image": f"https://pictures.example.com/{attempt.job_id}.png"})

        return await self.provider.advance(made, attempt)

    @property
    def created(self) -> int:
        return self.far.counts()["created"] - self.before


@pytest.fixture(scope="module")
def far() -> Iterator[PredictionProvider]:
    with prediction_provider(speed=200, limit=100_000, reads=100_000) as started:
        yield started


OpenDesk = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def open_desk(store: Store, far: PredictionProvider) -> AsyncIterator[OpenDesk]:
    opened: list[Provider] = []

    async def open_one(*, token: str = TOKEN, max_wait_s: float = 60) -> Desk:
        rule = limiter.Rule(100_000)
        creations, reads = (limiter.Limiter(store, f"far:{bucket}", rule) for bucket in ("create", "read"))
        shut_s: list[float] = []
        errors: list[str] = []
        server = Server(
            *("far", far.url, token),
            breaker=breaker.Breaker(store, "far"),
            creations=creations,
            reads=reads,
            on_error=errors.append,
        )

        async def shut(seconds: float) -> None:
            shut_s.append(seconds)

        notes = Notes(store, "far")
        opened.append(Provider(server, notes, Terms(MODEL), max_wait_s=max_wait_s, callback=None, shut=shut))
        return Desk(opened[-1], far, store, far.counts()["created"], shut_s, errors)

    yield open_one
    for one in opened:
        await one.aclose()


@pytest.fixture
async def desk(open_desk: OpenDesk) -> Desk:
    return await open_desk()


async def ended(desk: Desk, attempt: FakeAttempt) -> Prediction:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            prediction = await desk.advance(attempt)
            if prediction is not None:
                return prediction
            await asyncio.sleep(0.05)


async def test_what_is_sent_is_recorded_before_it_is_sent(desk: Desk) -> None:
    seen: list[int] = []
    attempt = desk.attempt()
    attempt.then = lambda: seen.append(desk.created)
    assert await desk.advance(attempt) is None
    assert [each.ref.partition(":")[0] for each in attempt.submissions] == ["sent", "made"]
    assert seen == [0, 1]


async def test_a_worker_that_dies_before_it_sends_has_made_nothing_and_the_next_makes_one(desk: Desk) -> None:
    attempt = desk.attempt(dies_at="sent")
    with pytest.raises(CrashError):
        await desk.advance(attempt)
    assert desk.created == 0
    await desk.advance(desk.after(attempt))
    assert desk.created == 1


async def test_a_worker_that_dies_before_it_hears_leaves_one_that_is_found(desk: Desk) -> None:
    attempt = desk.attempt(dies_at="made")
    with pytest.raises(CrashError):
        await desk.advance(attempt)
    heir = desk.after(attempt)
    assert (await ended(desk, heir)).status == "succeeded"
    assert desk.created == 1
    assert heir.submission is not None
    assert heir.submission.ref.startswith("made:")


async def test_a_worker_that_dies_later_leaves_one_that_is_known(desk: Desk) -> None:
    attempt = desk.attempt()
    await desk.advance(attempt)
    assert (await ended(desk, desk.after(attempt))).status == "succeeded"
    assert desk.created == 1


async def test_equal_orders_without_an_address_do_not_take_each_others(desk: Desk) -> None:
    order = Order(MODEL, {"prompt": "the same"})
    first, second = desk.attempt(dies_at="made"), desk.attempt(dies_at="made")
    for attempt in (first, second):
        with pytest.raises(CrashError):
            await desk.advance(attempt, order)
    heirs = [desk.after(first), desk.after(second)]
    for heir in heirs:
        await desk.advance(heir, order)
    assert desk.created == 2
    refs = {heir.submission.ref.rpartition(":")[2] for heir in heirs if heir.submission}
    assert len(refs) == 2


async def test_what_is_not_listed_twice_is_made_again_and_not_before(desk: Desk) -> None:
    attempt = desk.attempt(Submission("far", "sent:0:0", 1))
    with pytest.raises(Unavailable) as away:
        await desk.advance(attempt)
    assert (away.value.retry_in_s, desk.created) == (5.0, 0)
    await desk.advance(desk.after(attempt))
    assert desk.created == 1


@pytest.mark.parametrize("fault", ["429", "402"])
async def test_a_refusal_that_is_certain_leaves_nothing_to_look_for_and_shuts_the_gate(desk: Desk, fault: str) -> None:
    desk.far.fail_next("create", fault)
    attempt = desk.attempt()
    with pytest.raises(Unavailable):
        await desk.advance(attempt)
    assert attempt.submissions[-1].ref == "over"
    assert desk.shut_s
    listed = desk.far.counts()["listed"]
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await desk.advance(desk.after(attempt))
            except Unavailable:
                await asyncio.sleep(0.1)
            else:
                break
    assert (desk.created, desk.far.counts()["listed"]) == (1, listed)


async def test_a_token_that_is_refused_is_the_operators_business(open_desk: OpenDesk) -> None:
    desk = await open_desk(token="another")
    with pytest.raises(Unavailable) as away:
        await desk.advance(desk.attempt())
    assert away.value.retry_in_s >= 60
    assert "another" not in str(away.value)
    assert desk.errors == ["misconfigured"], "which a metric counts"


async def test_an_open_breaker_defers_and_shuts_the_gate(desk: Desk) -> None:
    desk.far.fail_next("create", *["500"] * 5)
    for _ in range(5):
        with pytest.raises(Unavailable):
            await desk.advance(desk.attempt())
    attempt = desk.attempt()
    with pytest.raises(Unavailable) as away:
        await desk.advance(attempt)
    assert away.value.retry_in_s > 1
    assert (desk.shut_s, attempt.submissions) == ([away.value.retry_in_s], [])


async def test_a_stopped_creation_is_ended_at_the_provider(desk: Desk) -> None:
    attempt = desk.attempt()
    sending = asyncio.Event()
    attempt.then = sending.set
    task = asyncio.create_task(desk.advance(attempt, Order(MODEL, {"behaviour": "never ends"})))
    await sending.wait()
    attempt.then = lambda: None
    await asyncio.sleep(0)  # past the last look at whether it is to be sent
    canceled = desk.far.counts()["canceled"]
    await stop(task, attempt, "canceled")
    assert desk.far.counts()["canceled"] - canceled == desk.created


async def test_a_job_that_is_stopped_before_it_sends_sends_nothing(desk: Desk) -> None:
    attempt = desk.attempt()

    def fenced() -> None:
        attempt.stop_reason = "lost"

    attempt.then = fenced
    with pytest.raises(asyncio.CancelledError):
        await desk.advance(attempt)
    assert desk.created == 0


async def test_what_was_left_is_ended_whether_it_is_known_or_has_to_be_found(desk: Desk) -> None:
    order = Order(MODEL, {"image": "https://pictures.example.com/endless.png", "behaviour": "never ends"})
    known, unknown = desk.attempt(), desk.attempt(dies_at="made")
    await desk.advance(known, order)
    with pytest.raises(CrashError):
        await desk.advance(unknown, order)
    before = desk.far.figures()["statuses"].get("canceled", 0)

    async def made() -> Order:
        return order

    for attempt in (known, unknown):
        assert attempt.submission is not None
        await desk.provider.end(made, attempt.submission, attempt.job_id)
    assert desk.far.figures()["statuses"]["canceled"] == before + 2
    assert not await desk.provider.notes.awaited()


async def test_one_reading_of_the_list_wakes_all_and_is_all_that_they_need(desk: Desk) -> None:
    attempts = [desk.attempt() for _ in range(150)]
    await asyncio.gather(*[desk.advance(attempt) for attempt in attempts])
    await asyncio.sleep(60 / desk.far.speed)
    woken: set[str] = set()

    async def wake(job_ids: Sequence[str]) -> Sequence[str]:
        woken.update(job_ids)
        return ()

    poller = Poller(desk.provider.server, desk.provider.notes, wake, worker="w", every_s=1, max_wait_s=60)
    before = desk.far.counts()
    assert await poller.poll() == 150
    assert woken == {attempt.job_id for attempt in attempts}
    found = await asyncio.gather(*[desk.advance(attempt) for attempt in attempts])
    assert all(found)
    after = desk.far.counts()
    assert (after["listed"] - before["listed"], after["got"] - before["got"]) == (2, 0)
    assert await poller.poll() == 0


async def test_who_was_woken_too_early_is_woken_again(desk: Desk) -> None:
    attempt = desk.attempt()
    await desk.advance(attempt)
    await asyncio.sleep(60 / desk.far.speed)
    woken: list[str] = []

    async def wake(job_ids: Sequence[str]) -> Sequence[str]:
        woken.extend(job_ids)
        return ()

    poller = Poller(desk.provider.server, desk.provider.notes, wake, worker="w", every_s=1, max_wait_s=60)
    listed = desk.far.counts()["listed"]
    for _ in range(3):
        await poller.poll()
    assert woken == [attempt.job_id] * 3
    assert desk.far.counts()["listed"] == listed + 1


async def test_who_is_through_with_a_prediction_is_not_woken_for_ever(desk: Desk) -> None:
    """An attempt that has lost its lease may note its prediction after the job has ended."""
    attempt = desk.attempt()
    await desk.advance(attempt)
    await asyncio.sleep(60 / desk.far.speed)

    async def wake(job_ids: Sequence[str]) -> Sequence[str]:
        return job_ids

    poller = Poller(desk.provider.server, desk.provider.notes, wake, worker="w", every_s=1, max_wait_s=60)
    await poller.poll()
    assert not await desk.provider.notes.awaited()


async def test_what_the_list_does_not_show_is_asked_for_by_itself_and_what_is_gone_wakes_its_job(desk: Desk) -> None:
    notes = desk.provider.notes
    await notes.adopt("gone", "job_gone", 1)
    await notes.adopt("stale", "job_stale", -10_000_000_000_000)
    woken: list[str] = []

    async def wake(job_ids: Sequence[str]) -> Sequence[str]:
        woken.extend(job_ids)
        return ()

    poller = Poller(desk.provider.server, notes, wake, worker="w", every_s=1, max_wait_s=1e10)
    await poller.poll()
    assert woken == ["job_gone"]
    assert [each.prediction_id for each in await notes.awaited()] == ["gone"]
    attempt = desk.attempt(Submission("far", "made:1:gone", 1))
    with pytest.raises(Failure) as failed:
        await desk.advance(attempt)
    assert (failed.value.code, failed.value.retryable) == ("prediction_lost", True)
    assert attempt.submissions[-1].ref == "over"
    assert not await notes.awaited()


async def test_a_prediction_that_nobody_can_tell_of_holds_up_no_other(desk: Desk) -> None:
    order = Order(MODEL, {"prompt": "a cat"})
    for number in range(3):
        made = await desk.provider.server.create(order, webhook=None, sending=nothing)
        await desk.provider.notes.adopt(made.id, f"job_{number}", 1)
    await asyncio.sleep(60 / desk.far.speed)
    woken: list[str] = []

    async def wake(job_ids: Sequence[str]) -> Sequence[str]:
        woken.extend(job_ids)
        return ()

    poller = Poller(desk.provider.server, desk.provider.notes, wake, worker="w", every_s=1, max_wait_s=1e10)
    desk.far.fail_next("read", "404", "500")  # there is no list, and the first that is asked for by itself fails
    assert await poller.poll() == 3
    assert not woken
    await poller.poll()
    assert set(woken) == {"job_0", "job_1", "job_2"}


async def test_a_lost_creation_is_not_made_again_while_the_list_holds_what_nobody_can_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unreadable entry may be the very one."""
    read = desk.provider.server.page

    async def page(cursor: str | None = None) -> Page | None:
        told = await read(cursor)
        return told and replace(told, predictions=(), unread=1)

    monkeypatch.setattr(desk.provider.server, "page", page)
    attempt = desk.attempt(Submission("far", f"sent:{await desk.provider.notes.now_ms()}:1", 1))
    with pytest.raises(Unavailable):
        await desk.advance(attempt)
    assert desk.created == 0


async def nothing() -> None:
    """Nobody keeps a record here."""


async def test_one_worker_reads_the_list_until_it_leaves_or_is_gone(desk: Desk) -> None:
    notes = desk.provider.notes
    assert await notes.take_turn("a", 60_000)
    assert not await notes.take_turn("b", 60_000)
    assert await notes.take_turn("a", 60_000)
    await notes.leave_turn("b")
    assert not await notes.take_turn("b", 60_000)
    await notes.leave_turn("a")
    assert await notes.take_turn("b", 60_000)

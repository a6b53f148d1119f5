"""Predictions under fire: workers and Redis are killed, the provider fails, loses answers and does not call back."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

from tests.fakes.prediction_api import WEBHOOK_SECRET
from tests.fakes.prediction_provider import PredictionProvider, prediction_provider
from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.history import Client
from tests.faults.killing import keep_killing, stop_killing
from tests.faults.site import Site
from tests.faults.size import SIZE
from tests.faults.yard import Yard

WORKERS = 3
#: A minute of the provider's clock is two seconds of ours, and it takes no more in it than this.
SPEED, CREATIONS = 30.0, 40
#: Few: each is the fault of one call, so a breaker that they opened would try them one by one, with ever longer pauses.
BURST = ("503", "lost", "late 500")
DROPPED = 10


async def test_no_prediction_is_made_twice_whatever_dies(open_yard: OpenYard, whole_site: Site) -> None:
    with prediction_provider(speed=SPEED, limit=CREATIONS) as provider:
        told = provider.settings(replicate_rpm=CREATIONS, public_url=whole_site.api.url, arq_worker_concurrency=8)
        async with open_yard(api={"replicate_webhook_secret": WEBHOOK_SECRET}, **told) as yard:
            client = await yard.client(slots=50)
            yard.fleet.keep(WORKERS)
            losses: list[tuple[str, float]] = []
            killing = asyncio.create_task(keep_killing(yard, losses, spares=True))
            submitting = [asyncio.create_task(submit(client, n)) for n in range(SIZE.predictions)]
            for _ in range(SIZE.prediction_breaks):
                await break_all(yard, provider)
            await asyncio.gather(*submitting)
            took_s = await yard.rest()
            await stop_killing(killing)
            await all_forgotten(yard)
            kills = len(yard.fleet.endings)
            seen = await yard.evidence()
        figures = provider.figures()

    check_all(seen)
    jobs = seen.dump.jobs()
    failed = [(job.error, job.attempt, job.crashes, job.failures) for job in jobs.values() if job.status != "succeeded"]
    assert not failed, failed
    assert {len(job.artifacts) for job in jobs.values()} == {1}
    assert Counter(map(order_of, figures["inputs"])) == dict.fromkeys(range(SIZE.predictions), 1)
    counts = Counter(figures["counts"])
    assert (counts["create refused"], counts["read refused"]) == (0, 0)
    FIGURES.note("predictions", "jobs, workers killed, Redis killed", f"{len(jobs)}, {kills}, {SIZE.prediction_breaks}")
    FIGURES.note("predictions", "made, made twice, refused with 429", f"{counts['created']}, 0, 0")
    FIGURES.note("predictions", "calls made, pages read, single reads",
                 f"{counts['webhooks']}, {counts['listed']}, {counts['got']}")  # fmt: skip
    FIGURES.note("predictions", "time to finish after the last submission, s", round(took_s, 1))


async def submit(client: Client, n: int) -> None:
    """Half of the orders have an address in their input; the others are told apart by it as a whole."""
    await asyncio.sleep(n * 0.05)
    address = {"image_url": f"https://pictures.example.com/{n}.png"} if n % 2 else {}
    await client.insist("optimize", f"key-{n}", prompt=f"picture {n}", **address)


def order_of(made: dict[str, Any]) -> int:
    return int(made["prompt"].rpartition(" ")[2])


async def all_forgotten(yard: Yard) -> None:
    """What an attempt noted that had lost its lease is seen at the next reading of the list."""
    async with asyncio.timeout(SIZE.within_s):
        while await yard.store.call("EXISTS", yard.store.keys.predictions + "replicate"):
            await asyncio.sleep(0.05)


async def break_all(yard: Yard, provider: PredictionProvider) -> None:
    """The provider for a few requests of each sort, then Redis."""
    await asyncio.sleep(random.uniform(0.3, 1.0))
    provider.fail_next("create", *random.sample(BURST, len(BURST)))
    provider.fail_next("read", "500", "503")
    provider.fail_next("webhook", *["dropped"] * DROPPED)
    await asyncio.sleep(random.uniform(0.3, 1.0))
    yard.site.breaker.kill()
    await asyncio.sleep(random.uniform(0.1, 0.5))
    yard.site.breaker.start()

"""The worker process: `arqade worker`, and `arq apps.worker.main.WorkerSettings`, which starts the same one."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from arq.worker import Function, func

from apps.notices import notices_here
from apps.resources import Resources, objects_refusals, open_resources, peppers_of, redis_refusals
from apps.settings import Settings
from apps.worker.archivist import Archivist
from apps.worker.batches import BatchKeeper
from apps.worker.deliver import Courier
from apps.worker.devices import publish_devices
from apps.worker.fleet import open_fleet, probers
from apps.worker.leaving import Leaving
from apps.worker.messages import Messages
from apps.worker.predictions import open_predictions, prediction_tasks
from apps.worker.run import Runner
from apps.worker.sweep import Sweeper
from apps.worker.turns import Turns
from apps.worker.vision import open_vision, with_vision_retries
from libs.backends.backends import Backends
from libs.backends.fleet.fleet import Fleet
from libs.backends.ocr import OcrEngine
from libs.backends.pictures import PictureCleaner
from libs.batches.batch import Batch
from libs.batches.feed import Fed, Rooms
from libs.batches.tend import Tender
from libs.egress import Egress
from libs.errors import Unavailable
from libs.kinds import KINDS
from libs.logs import set_up
from libs.queue.pool import open_pool, redis_settings
from libs.queue.worker import FairWorker
from libs.store.client import Store

__all__ = ["serve", "work"]

log = logging.getLogger(__name__)

_REDIS_PAUSE_S = 0.5
_REFUSED = 2
_WEBHOOKS_GRACE_S = 1.0


def serve(settings: Settings, queues: Sequence[str] = ()) -> int:
    """Run a worker until SIGTERM; the exit code. `queues` overrides WORKER_QUEUES."""
    set_up(settings.log_level, settings.log_format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work(settings, queues))


async def work(settings: Settings, queues: Sequence[str] = ()) -> int:
    """The whole life of a worker in a running event loop, and of its process; the exit code."""
    leaving = Leaving()
    code = await _live(settings, queues, leaving)
    leaving.is_done(code)
    return code


async def _live(settings: Settings, queues: Sequence[str], leaving: Leaving) -> int:
    refusals = settings.refusals()
    if refusals:
        return _refuse(refusals)
    for line in notices_here(settings):
        log.warning(line)
    settings.forget_secrets()
    resources = await open_resources(settings, "arqade-worker")
    try:
        refusals = [*await redis_refusals(resources), *await objects_refusals(resources)]
        if refusals:
            return _refuse(refusals)
        async with _opened_backends(resources, queues or settings.worker_queues) as backends:
            await _work(resources, backends, queues or tuple(settings.worker_queues), leaving)
    finally:
        await resources.close()
    return 0


def _refuse(refusals: Sequence[str]) -> int:
    for line in refusals:
        print(f"arqade worker: {line}", file=sys.stderr)  # noqa: T201  # before logging means anything to its reader
    return _REFUSED


async def _work(resources: Resources, backends: Backends, queues: Sequence[str], leaving: Leaving) -> None:
    settings = resources.settings
    runner = Runner(
        resources.store,
        resources.objects,
        backends,
        with_vision_retries(KINDS, settings.vision_retries),
        resources.metrics,
        resources.library,
        settings.job_timeout,
        settings.upload_bytes_max,
    )
    worker = FairWorker(
        [func(_pong, name="ping"), *(_function(name) for name in KINDS)],
        store=resources.store,
        pool=await _open_pool(settings),
        run=runner.run_job,
        queues=queues,
        servers=backends.fleet.slots,
        slots=settings.arq_worker_concurrency,
        lease_s=settings.lease_s,
        recycle_after=settings.worker_recycle_after,
        redis_restarted=await _redis_restarted(resources.store, settings.lease_s),
    )
    _sweep_by_turns(resources, Turns(resources.store, worker.id), [*queues, "default"])
    _look_after_batches(resources)
    if "gpu" in queues:
        _look_after(resources, backends.fleet, worker.id, queues)
    if "net" in queues:
        resources.background.extend(prediction_tasks(resources, backends.predictions, worker.id))
    if settings.prometheus_port is not None:
        resources.metrics.serve(settings.host, settings.prometheus_port)
    resources.metrics.slots.labels("all").set(settings.arq_worker_concurrency)
    resources.metrics.slots.labels("taken").set_function(lambda: len(worker.running))
    _drain_on_signals(worker, settings.drain_grace_s, leaving)
    log.info("worker %s takes %d jobs at once from %s", worker.id, settings.arq_worker_concurrency, ", ".join(queues))
    try:
        async with _delivering(resources):
            await worker.main()
    finally:
        await worker.pool.aclose()
    log.info("worker %s is done", worker.id)


def _look_after(resources: Resources, fleet: Fleet, worker_id: str, queues: Sequence[str]) -> None:
    for prober in probers(resources, fleet, worker_id, queues):
        resources.background.append(asyncio.create_task(prober.keep_probing(), name="probing"))
    telling = publish_devices(resources.cells.shared, list(fleet.servers.values()))
    resources.background.append(asyncio.create_task(telling, name="devices"))


def _sweep_by_turns(resources: Resources, turns: Turns, queues: Sequence[str]) -> None:
    store, objects = resources.store, resources.objects
    sweeper = Sweeper(store, objects, turns, queues, resources.metrics)
    settings = resources.settings
    archivist = Archivist(
        store, objects, turns, resources.metrics, archive_after_s=settings.archive_after, peppers=peppers_of(settings)
    )
    resources.background.append(asyncio.create_task(sweeper.keep_sweeping(), name="sweep"))
    resources.background.append(asyncio.create_task(archivist.keep_archiving(), name="archive"))


def _look_after_batches(resources: Resources) -> None:
    settings = resources.settings
    rooms, term_s = Rooms(settings.max_queue_size, resources.watch.has_room), 2 * settings.lease_s
    resources.watch.says = lambda: {"role": "worker", "version": settings.api_version}
    resources.background.append(asyncio.create_task(resources.watch.keep(), name="store"))

    def closed(batch: Batch, took_s: float) -> None:
        resources.metrics.batch_seconds.labels(batch.kind).observe(took_s)

    def fed(batch: Batch, chunk: Fed) -> None:
        chunk.count(resources.metrics, batch.kind)

    keeper = BatchKeeper(Tender(resources.store, resources.objects, resources.plans, rooms, term_s, closed, fed))
    resources.background.append(asyncio.create_task(keeper.keep_looking(), name="batches"))


@asynccontextmanager
async def _delivering(resources: Resources) -> AsyncIterator[None]:
    """Deliver webhooks for as long as jobs are worked on, and the last jobs' too."""
    slots = resources.settings.webhook_slots
    if slots == 0:
        yield
        return
    messages = Messages(resources.store, resources.records, resources.objects, resources.webhook_secrets)
    courier = Courier(
        resources.store, messages, Egress(resources.settings.egress_rules), resources.metrics, slots=slots
    )
    delivering = asyncio.create_task(courier.keep_delivering(), name="webhooks")
    try:
        yield
    finally:
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        await courier.stop(_WEBHOOKS_GRACE_S)


@asynccontextmanager
async def _opened_backends(resources: Resources, queues: Sequence[str]) -> AsyncIterator[Backends]:
    settings, vision, predictions = resources.settings, open_vision(resources), open_predictions(resources)
    fleet = open_fleet(resources, queues)
    ocr, pictures = OcrEngine(settings.ocr_processes, cage=resources.cage), PictureCleaner(resources.cage)
    warming = asyncio.create_task(_warm_up(ocr, wanted="cpu" in queues and settings.ocr_enabled), name="warm-up")
    try:
        yield Backends(fleet.at(""), ocr, vision, Egress(settings.egress_rules), predictions, fleet, pictures)
    finally:
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)
        await ocr.aclose()
        await fleet.aclose()
        await vision.aclose()
        await predictions.aclose()


async def _warm_up(ocr: OcrEngine, *, wanted: bool) -> None:
    """Load the models while the worker takes other work; a job that comes first waits for them."""
    if not wanted:
        return
    try:
        await ocr.open()
    except Unavailable as error:
        log.warning("%s", error)


async def _open_pool(settings: Settings) -> Any:
    while True:
        try:
            return await open_pool(settings.redis_url.get_secret_value())
        except Unavailable as error:
            log.warning("waiting for redis: %s", error.detail)
            await asyncio.sleep(_REDIS_PAUSE_S)


async def _redis_restarted(store: Store, lease_s: float) -> bool:
    """Whether Redis came up so lately that its other workers may still be coming back."""
    try:
        info = (await store.call("INFO", "server")).decode()
    except Unavailable:
        return True
    _, _, uptime = info.partition("uptime_in_seconds:")
    return bool(uptime) and int(uptime.split()[0]) < 2 * lease_s


def _drain_on_signals(worker: FairWorker, grace_s: float, leaving: Leaving) -> None:
    draining: list[asyncio.Task[None]] = []

    def drain() -> None:
        if not draining:
            log.info("worker %s drains", worker.id)
            leaving.after_grace(grace_s)
            draining.append(asyncio.create_task(worker.drain(grace_s), name="drain"))

    for signum in (signal.SIGTERM, signal.SIGINT):
        worker.loop.add_signal_handler(signum, drain)


def _function(kind: str) -> Function:
    """ARQ's function of a kind. Our own jobs are run by the Runner; this one answers a foreign `enqueue_job`."""

    async def submit_through_the_api(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"jobs of kind {kind} are submitted through the API, which knows whose they are")

    return func(submit_through_the_api, name=kind)


async def _pong(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> str:
    """Answer a foreign `enqueue_job("ping")`: the way to try a worker with stock ARQ."""
    return "pong"


async def _hand_over(_ctx: dict[Any, Any]) -> None:
    """Run under ARQ's own command line: its Worker has started, and ours takes its place and its signals.

    It never returns to ARQ's poll: SystemExit ends the process with our exit code.
    """
    raise SystemExit(await work(Settings()))


def __getattr__(name: str) -> Any:
    """`WorkerSettings` is made when ARQ's command line asks for it, so that importing this module reads no setting."""
    if name != "WorkerSettings":
        raise AttributeError(name)
    settings = Settings()
    return type(
        "WorkerSettings",
        (),
        {
            "functions": [func(_pong, name="ping")],
            "on_startup": _hand_over,
            "redis_settings": redis_settings(settings.redis_url.get_secret_value()),
        },
    )

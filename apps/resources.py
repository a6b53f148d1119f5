"""What a process needs of the world, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from apps.settings import VISION_PROVIDERS, Settings
from libs.access.directory import Directory
from libs.access.plans import Plans, read_plans_file
from libs.admission.admit import QueueRule
from libs.admission.rate import RateRule
from libs.archive.records import Records
from libs.artifacts.objects import Objects
from libs.artifacts.openness import Act
from libs.backends.breaker import Rule as BreakerRule
from libs.backends.cage import ForkServer
from libs.backends.cage.kernel import kernel, weaknesses
from libs.backends.configured import ConfiguredBackend
from libs.backends.limiter import Rule as LimiterRule
from libs.backends.prediction import Terms
from libs.errors import Unavailable
from libs.ids import new_id
from libs.jobs.events import EventHub
from libs.metrics import Metrics
from libs.store.cells import Cells
from libs.store.client import Store
from libs.store.guard import inspect
from libs.store.keyspace import Keyspace
from libs.store.url import parse_url
from libs.store.watch import StoreWatch
from libs.webhooks.secrets import Secrets
from libs.workflows.classes import RawClasses
from libs.workflows.library import StoredLibrary

__all__ = [
    "Resources",
    "configured_backends",
    "objects_refusals",
    "open_bucket",
    "open_objects",
    "open_resources",
    "peppers_of",
    "redis_refusals",
]

log = logging.getLogger(__name__)

_BUCKET_PAUSE_S = 1.0
_CLOSE = (
    "close it by `mc anonymous set none ALIAS/{bucket}` (MinIO), or"
    " by `aws s3api delete-bucket-policy --bucket {bucket}` and"
    " `aws s3api put-bucket-acl --bucket {bucket} --acl private`"
)


@dataclass(frozen=True, slots=True)
class Resources:
    """What the API and the worker share. None of it has to be reachable when it is opened."""

    settings: Settings
    store: Store
    watch: StoreWatch
    cells: Cells
    objects: Objects
    records: Records
    plans: Plans
    directory: Directory
    events: EventHub
    metrics: Metrics
    rate_rule: RateRule | None
    queue_rule: QueueRule
    backends: Mapping[str, ConfiguredBackend]
    library: StoredLibrary
    webhook_secrets: Secrets
    cage: ForkServer = field(default_factory=ForkServer)
    background: list[asyncio.Task[None]] = field(default_factory=list)

    async def close(self) -> None:
        """Close what was opened, last first."""
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        await self.cage.close()
        await self.events.close()
        self.objects.close()
        await self.store.close()


async def open_resources(settings: Settings, name: str = "arqade-api") -> Resources:
    """Open everything; `name` is what Redis lists the connection under. A part that is away is waited for meanwhile.

    Raises ValueError for a setting that says nothing.
    """
    address, keys = parse_url(settings.redis_url.get_secret_value()), Keyspace.with_prefix(settings.redis_prefix)
    store = Store(address, keys, timeout_s=settings.redis_timeout_s, name=name)
    cells, plans = Cells(store), read_plans_file(settings.plans_file)
    objects, backends = open_objects(settings), configured_backends(settings)
    servers = [server.name for backend in backends.values() for server in backend.servers] or ["comfyui"]
    resources = Resources(
        settings=settings,
        store=store,
        watch=StoreWatch(store, new_id("process")),
        cells=cells,
        objects=objects,
        records=Records(cells, objects, settings.archive_after),
        plans=plans,
        directory=Directory(cells.shared, plans),
        events=EventHub(store),
        metrics=Metrics(),
        rate_rule=_rate_rule(settings),
        queue_rule=QueueRule(settings.max_queue_size, settings.artifact_url_ttl),
        backends=backends,
        library=StoredLibrary(cells.shared, RawClasses(settings.raw_workflow_classes), servers),
        webhook_secrets=_webhook_secrets(settings),
    )
    for line in weaknesses(kernel()):
        log.warning("%s", line)
    resources.background.append(asyncio.create_task(_make_bucket(resources.objects), name="bucket"))
    return resources


def open_objects(settings: Settings) -> Objects:
    """The object store of these settings; connects to nothing yet."""
    return Objects(
        settings.minio_endpoint,
        settings.minio_access_key,
        settings.minio_secret_key.get_secret_value(),
        settings.minio_bucket,
        settings.minio_region,
        use_ssl=settings.minio_use_ssl,
        public_endpoint=settings.minio_public_endpoint,
        browser_origins=tuple(settings.cors_origins),
    )


def configured_backends(settings: Settings) -> dict[str, ConfiguredBackend]:
    """The backends that are reached over a network, by name: what the backends file says of a protocol is all there is
    of it, and of a protocol that it does not mention the settings tell. Raises ValueError.
    """
    written = settings.read_backends_file()
    protocols = {backend.protocol for backend in written}
    told = (backend for backend in _told_by_settings(settings) if backend.protocol not in protocols)
    found = {backend.name: backend for backend in told}
    for backend in written:
        if backend.name in found:
            raise ValueError(
                f"BACKENDS_FILE: [{backend.name}] is the name of another backend, which the settings tell of"
            )
        found[backend.name] = backend
    return found


def _told_by_settings(settings: Settings) -> Iterator[ConfiguredBackend]:
    rule = BreakerRule(failures_in_a_row=settings.circuit_breaker_threshold)
    servers = settings.comfyui_servers()
    yield ConfiguredBackend(
        "comfyui", "comfyui", bool(servers), rule, servers=servers, timeout_s=settings.comfyui_timeout
    )
    yield _prediction_api(settings, rule)
    for name in dict.fromkeys((*settings.vision_providers, *VISION_PROVIDERS)):
        yield _vision_provider(settings, name, rule)


def _prediction_api(settings: Settings, rule: BreakerRule) -> ConfiguredBackend:
    token = settings.replicate_api_token.get_secret_value() if settings.replicate_api_token else ""
    window_s = settings.replicate_window_s
    create = LimiterRule(settings.replicate_rpm, window_s=window_s)
    read = LimiterRule(settings.replicate_reads_rpm, window_s=window_s)
    return ConfiguredBackend(
        "replicate",
        "prediction",
        bool(token),
        rule,
        {"create": create, "read": read},
        url=settings.replicate_url,
        secret=token,
        timeout_s=settings.replicate_max_wait_ms / 1_000,
        in_flight_max=settings.replicate_in_flight_max,
        terms=Terms(
            settings.replicate_image_model,
            tuple(settings.replicate_models),
            settings.replicate_default_aspect_ratio,
            settings.replicate_image_member,
        ),
    )


def _vision_provider(settings: Settings, name: str, rule: BreakerRule) -> ConfiguredBackend:
    api_key = settings.vision_api_key(name)
    return ConfiguredBackend(
        name,
        "vision",
        bool(api_key),
        rule,
        url=getattr(settings, f"{name}_url"),
        secret=api_key,
        model=getattr(settings, f"{name}_model"),
        dialect=name,
        timeout_s=settings.vision_timeout,
    )


async def redis_refusals(resources: Resources) -> list[str]:
    """Why this Redis must not hold jobs: one that evicts would eat them. Empty also while it is away."""
    with contextlib.suppress(Unavailable):
        found = await inspect(resources.store, fsync=resources.settings.redis_appendfsync)
        return [finding.line for finding in found if finding.level == "refuse"]
    return []


async def objects_refusals(resources: Resources) -> list[str]:
    """Why this bucket must not hold users' files: it is open to anybody. In development that is a line in the log.

    Empty also while the object store is away, or has no bucket yet.
    """
    found = await open_bucket(resources.objects, resources.settings)
    if resources.settings.environment != "development":
        return found
    for line in found:
        log.warning("%s", line)
    return []


async def open_bucket(objects: Objects, settings: Settings) -> list[str]:
    """A line for each thing that anybody may do to the bucket, and how to close it; not what a setting allows."""
    may: dict[Act, str] = {}
    with contextlib.suppress(Unavailable):
        may = await objects.open_to_anybody()
    if settings.minio_bucket_public_read:
        may.pop("read", None)
    lines = []
    for act, how in may.items():
        close = _CLOSE.format(bucket=settings.minio_bucket)
        meant = ", or set MINIO_BUCKET_PUBLIC_READ=true if that is meant" if act == "read" else ""
        lines.append(f"anybody may {act} the bucket {settings.minio_bucket} ({how}): {close}{meant}")
    return lines


def peppers_of(settings: Settings) -> tuple[bytes, ...]:
    """The present pepper first, then the former ones."""
    return tuple(pepper.encode() for pepper in (settings.api_key_pepper.get_secret_value(), *settings.former_peppers))


def _webhook_secrets(settings: Settings) -> Secrets:
    present, *former = peppers_of(settings)
    return Secrets(present, former)


def _rate_rule(settings: Settings) -> RateRule | None:
    if not settings.rate_limit_enabled:
        return None
    return RateRule(settings.rate_limit_window, settings.fleet_ceiling_per_minute, settings.rate_limit_requests)


async def _make_bucket(objects: Objects) -> None:
    while True:
        try:
            await objects.open()
        except Unavailable as error:
            log.warning("waiting for the object store: %s", error.detail)
            await asyncio.sleep(_BUCKET_PAUSE_S)
        else:
            return

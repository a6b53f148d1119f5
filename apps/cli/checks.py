"""What `arqade doctor` looks at, one function a part; each tells what it found and what to do about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Literal

import httpx

from apps.cli.first_key import open_store
from apps.cli.parts import reached_at
from apps.notices import notices
from apps.resources import configured_backends, open_objects
from apps.settings import Settings, variables_set
from libs.admission.ledger import differences
from libs.backends.cage.kernel import kernel, weaknesses
from libs.backends.comfyui import ComfyUI
from libs.embedded.ports import authority
from libs.errors import Unavailable
from libs.ids import new_id
from libs.kinds import KINDS
from libs.store.client import Store
from libs.store.guard import inspect

__all__ = ["Check", "check_everything", "check_ledger"]

#: Object stores refuse signatures that are 15 minutes off; certificates and tokens of others have less patience.
_SKEW_S_MAX: Final = 5.0
_HTTP_TIMEOUT_S: Final = 5.0
_PROBE: Final = b"arqade doctor"
_PROBLEMS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `bad` keeps a process from serving; a `warning` will hurt later."""

    level: Literal["good", "warning", "bad"]
    part: str
    line: str


async def check_everything(settings: Settings) -> list[Check]:
    """Every finding, part by part."""
    checks = (
        *(_settings(settings), _cage(), _redis(settings), _objects(settings)),
        *(_comfyui(settings), _api(settings)),
    )
    found = await asyncio.gather(*(_all(check) for check in checks))
    return [check for part in found for check in part]


async def check_ledger(settings: Settings) -> list[Check]:
    """Whether the ledger, the counters and the jobs agree, for every user."""
    try:
        with closing(open_objects(settings)) as objects:
            async with open_store(settings) as store:
                found = [
                    Check("bad", one.user_id, f"{one.what}: {one.expected} expected, {one.found} found")
                    async for one in differences(store, objects)
                ]
    except (Unavailable, ValueError) as error:
        return [Check("bad", "ledger", f"{error}: check REDIS_URL and the MINIO_ settings, and that the servers run")]
    return found or [Check("good", "ledger", "the ledger, the counters and the jobs agree for every user")]


async def _all(checks: AsyncIterator[Check]) -> list[Check]:
    return [check async for check in checks]


async def _settings(settings: Settings) -> AsyncIterator[Check]:
    refusals = settings.refusals()
    for line in refusals:
        yield Check("bad", "settings", line)
    for line in notices(settings, variables_set(), {kind.queue for kind in KINDS.values()}):
        yield Check("warning", "settings", line)
    if not refusals:
        yield Check("good", "settings", f"valid for {settings.environment}")


async def _cage() -> AsyncIterator[Check]:
    """What keeps the children that decode callers' files from everything else on this machine."""
    found = kernel()
    for line in weaknesses(found):
        yield Check("warning", "cage", line)
    if found.seccomp and found.landlock:
        yield Check("good", "cage", f"seccomp and Landlock {found.landlock} lock in what decodes callers' files")


async def _redis(settings: Settings) -> AsyncIterator[Check]:
    try:
        async with open_store(settings) as store:
            yield Check("good", "redis", "answers")
            for finding in await inspect(store, fsync=settings.redis_appendfsync):
                yield Check("bad" if finding.level == "refuse" else "warning", "redis", finding.line)
            yield await _clock(store)
            if not await store.call("ZCARD", store.keys.users):
                yield Check("warning", "api keys", "there is no user yet: arqade keys bootstrap makes the first")
    except (Unavailable, ValueError) as error:
        yield Check("bad", "redis", f"{error}: check REDIS_URL, and that the server runs")


async def _clock(store: Store) -> Check:
    asked_at = time.time()
    seconds, microseconds = await store.call("TIME")
    here = (asked_at + time.time()) / 2
    skew_s = int(seconds) + int(microseconds) / 1e6 - here
    if abs(skew_s) > _SKEW_S_MAX:
        way = "ahead of" if skew_s > 0 else "behind"
        return Check("warning", "clock", f"Redis is {abs(skew_s):.1f} s {way} this machine: run an NTP client on both")
    return Check("good", "clock", f"Redis and this machine differ by {abs(skew_s) * 1000:.0f} ms")


async def _objects(settings: Settings) -> AsyncIterator[Check]:
    try:
        bucket = open_objects(settings)
    except ValueError as error:
        yield Check("bad", "objects", f"{error}: check the MINIO_ settings")
        return
    name = f"doctor/{new_id('probe')}"
    try:
        await bucket.put(name, _PROBE, "text/plain")
        url = bucket.presigned_get(name, 60, filename="probe", content_type="text/plain")
        yield Check("good", "objects", f"the bucket {settings.minio_bucket} takes and keeps what it is given")
        yield await _presigned(url)
        await bucket.remove(name)
    except Unavailable as error:
        yield Check("bad", "objects", f"{error.detail}: check MINIO_ENDPOINT {settings.minio_endpoint} and its keys")
    finally:
        bucket.close()


async def _presigned(url: str) -> Check:
    """Whether a client could download by such a URL; seen from here, which may not be where clients are."""
    host = httpx.URL(url).netloc.decode()
    try:
        async with httpx.AsyncClient(timeout=_HTTP_TIMEOUT_S) as http:
            answer = await http.get(url)
    except httpx.HTTPError as error:
        line = f"presigned URLs name {host}, which does not answer from here ({error}): check MINIO_PUBLIC_ENDPOINT"
        return Check("warning", "objects", line)
    if answer.content == _PROBE:
        return Check("good", "objects", f"presigned URLs work ({host})")
    return Check("bad", "objects", f"a presigned URL got {answer.status_code} from {host}: check MINIO_PUBLIC_ENDPOINT")


async def _comfyui(settings: Settings) -> AsyncIterator[Check]:
    try:
        servers = configured_backends(settings)["comfyui"].servers
    except ValueError:
        return  # the settings say so
    if not servers:
        yield Check("warning", "comfyui", "COMFYUI_URL is not set: generate jobs would wait until they expire")
    for each in asyncio.as_completed([_comfyui_at(server.url) for server in servers]):
        for check in await each:
            yield check


async def _comfyui_at(url: str) -> list[Check]:
    try:
        async with httpx.AsyncClient(timeout=_HTTP_TIMEOUT_S) as http:
            answer = await http.get(url + "/system_stats")
        system = answer.raise_for_status().json()["system"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        return [Check("warning", "comfyui", f"{url} does not answer as ComfyUI does ({error})")]
    good = Check("good", "comfyui", f"ComfyUI {system.get('comfyui_version', '?')} at {url}")
    return [good, *await _unusable_at(url)]


async def _unusable_at(url: str) -> list[Check]:
    """What a server says of its node classes and we cannot read: whoever needs it learns why."""
    server = ComfyUI(url)
    try:
        problems = (await server.offer()).problems
    except Unavailable as error:
        problems = [error.detail]
    finally:
        await server.aclose()
    return [Check("warning", "comfyui", f"{url}: {problem}") for problem in problems[:_PROBLEMS_MAX]]


async def _api(settings: Settings) -> AsyncIterator[Check]:
    url = f"http://{authority(reached_at(settings.host), settings.port)}"
    try:
        async with httpx.AsyncClient(timeout=_HTTP_TIMEOUT_S) as http:
            answer = await http.get(url + "/ready")
    except httpx.HTTPError:
        yield Check("warning", "api", f"nothing answers at {url}: start one with arqade api")
        return
    ready = answer.status_code == httpx.codes.OK
    yield Check("good" if ready else "warning", "api", f"{url} is {'ready' if ready else f'not ready: {answer.text}'}")

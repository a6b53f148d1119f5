"""What `arqade doctor` looks at, one function a part; each tells what it found and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Final

import httpx

from apps.cli.check import Check, Level, done
from apps.cli.first_key import open_store
from apps.cli.parts import reached_at
from apps.cli.store_checks import check_redis
from apps.notices import notices_here
from apps.resources import configured_backends, open_bucket, open_objects
from apps.settings import Settings
from libs.admission.ledger import differences
from libs.backends.cage.kernel import kernel, weaknesses
from libs.backends.comfyui import ComfyUI
from libs.embedded.ports import authority
from libs.errors import Unavailable
from libs.ids import new_id

__all__ = ["Check", "check_everything", "check_ledger"]

_HTTP_TIMEOUT_S: Final = 5.0
_PROBE: Final = b"arqade doctor"
_PROBLEMS_MAX: Final = 20


async def check_everything(settings: Settings) -> list[Check]:
    """Every finding, part by part."""
    return await done((_settings, _cage, check_redis, _objects, _comfyui, _api), settings)


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


async def _settings(settings: Settings) -> AsyncIterator[Check]:
    refusals = settings.refusals()
    for line in refusals:
        yield Check("bad", "settings", line)
    for line in notices_here(settings):
        yield Check("warning", "settings", line)
    if not refusals:
        yield Check("good", "settings", f"valid for {settings.environment}")


async def _cage(_settings: Settings) -> AsyncIterator[Check]:
    """What keeps the children that decode callers' files from everything else on this machine."""
    found = kernel()
    for line in weaknesses(found):
        yield Check("warning", "cage", line)
    if found.seccomp and found.landlock:
        yield Check("good", "cage", f"seccomp and Landlock {found.landlock} lock in what decodes callers' files")


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
        yield await _signed(bucket.presigned_put(name, 60, content_type="text/plain", size_bytes=len(_PROBE)))
        await bucket.remove(name)
        level: Level = "warning" if settings.environment == "development" else "bad"
        for line in await open_bucket(bucket, settings):
            yield Check(level, "objects", line)
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


async def _signed(url: str) -> Check:
    """Whether the store takes no more than a URL was signed for."""
    try:
        async with httpx.AsyncClient(timeout=_HTTP_TIMEOUT_S) as http:
            answer = await http.put(url, content=_PROBE + _PROBE, headers={"Content-Type": "text/plain"})
    except httpx.HTTPError:
        return Check("good", "objects", "an upload's URL takes nothing else than was announced, or nothing from here")
    if answer.is_success:
        line = "an upload's URL takes more than was announced: what it should not take is found within a minute"
        return Check("warning", "objects", line)
    return Check("good", "objects", "an upload's URL takes nothing else than was announced")


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
    """Whether an API answers here, and what it says of the parts that it depends on."""
    url = f"http://{authority(reached_at(settings.host), settings.port)}"
    try:
        async with httpx.AsyncClient(timeout=_HTTP_TIMEOUT_S) as http:
            health, ready = await http.get(url + "/health"), await http.get(url + "/ready")
        parts, ages = health.json().get("checks", {}), health.json().get("checked_seconds_ago", {})
    except httpx.HTTPError:
        yield Check("warning", "api", f"nothing answers at {url}", "start one with arqade api")
        return
    except (ValueError, AttributeError):
        yield Check("warning", "api", f"{url} does not answer as an API does", "look at what listens there")
        return
    for part, state in parts.items():
        if state != "up":
            line = f"{url} found {part} {state.replace('_', ' ')} {ages.get(part, 0):.0f} s ago"
            yield Check("bad", "api", line, f"look at what is said of {part} here")
    if ready.status_code == httpx.codes.OK:
        yield Check("good", "api", f"{url} is ready")
    else:
        yield Check("warning", "api", f"{url} is not ready: {ready.text}")

"""A canary goes in wherever something can go in, at log level DEBUG, and is looked for wherever something comes out.

Secrets may be nowhere: in no log, no metric, no answer to anybody but their owner, and not in Redis. What callers write
(prompts, names, metadata) is theirs: it is kept with the job and told to nobody else, in no log and no metric.
"""

from __future__ import annotations

import asyncio
import base64
import io
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from websockets.asyncio.client import connect

from libs.access.api_key import DEFAULT_SCOPES, mint
from libs.access.api_keys import bootstrap, create_api_key
from libs.access.users import create_user
from libs.embedded.comfyui_standin import Standin
from libs.store.client import Store
from tests.fakes.api import ApiProcess, api_process, bearer
from tests.fakes.customers import JOBS, PICTURE
from tests.fakes.vision_providers import vision_provider
from tests.fakes.workers import WorkerProcess, worker_process
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, S3Server, open_store

#: Settings that hold a secret and that these tests may choose.
PEPPERS = ("api_key_pepper", "api_key_pepper_previous")
TOKENS = ("replicate_api_token", "mistral_api_key", "qwen_api_key", "kimi_api_key")


def canary(of: str) -> str:
    """A word that nothing else says; it goes through headers, URLs and file names as it is."""
    return f"canary-{of.replace('_', '-')}-{secrets.token_hex(16)}"


@dataclass(frozen=True)
class Site:
    """Real processes that were told canaries, and a customer with two keys' worth of trouble to make."""

    api: ApiProcess
    worker: WorkerProcess
    http: httpx.AsyncClient
    store: Store
    #: By where each went in.
    secret: dict[str, str]

    @property
    def key(self) -> dict[str, str]:
        return bearer(self.secret["api key"])

    @property
    def logs(self) -> str:
        return self.api.log.read_text() + self.worker.log.read_text()

    async def metrics(self) -> str:
        return (await self.http.get("/metrics")).text

    async def dump(self) -> bytes:
        """Everything that Redis holds, names and values; only a test may search."""
        cursor, found = b"0", b""
        while True:
            cursor, names = await self.store.call("SCAN", cursor, "COUNT", 1_000)
            for name in names:
                found += name + b"\n" + await self._value(name) + b"\n"
            if cursor in (b"0", 0):
                return found

    async def _value(self, name: bytes) -> bytes:
        match await self.store.call("TYPE", name):
            case "string" | b"string" | "none" | b"none":  # or gone since it was listed
                return bytes(await self.store.call("GET", name) or b"")
            case "hash" | b"hash":
                return flat(await self.store.call("HGETALL", name))
            case "zset" | b"zset":
                return flat(await self.store.call("ZRANGE", name, 0, -1))
            case "set" | b"set":
                return flat(await self.store.call("SMEMBERS", name))
            case "list" | b"list":
                return flat(await self.store.call("LRANGE", name, 0, -1))
            case "stream" | b"stream":
                return flat(await self.store.call("XRANGE", name, "-", "+"))
            case other:
                raise AssertionError(f"{name!r} is a {other!r}, which this test cannot read")


def flat(reply: Any) -> bytes:
    """All the bytes of a reply."""
    if isinstance(reply, dict):
        reply = list(reply.items())
    if isinstance(reply, list | tuple | set):
        return b" ".join(flat(each) for each in reply)
    return reply if isinstance(reply, bytes) else str(reply).encode()


@pytest.fixture
async def site(tmp_path: Path, valkey: RedisServer, s3: S3Server) -> AsyncIterator[Site]:
    secret = {name: canary(name) for name in (*PEPPERS, *TOKENS)}
    secret |= {"redis password": valkey.password, "minio secret": s3.secret_key, "gemini": canary("gemini")}
    secret["receiver token"] = canary("receiver token".replace(" ", "-"))
    told: dict[str, Any] = {name: secret[name] for name in (*PEPPERS, *TOKENS)}
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(Standin(step_ms=1).listening())
        gemini = await stack.enter_async_context(vision_provider("gemini"))
        told |= {"gemini_api_key": secret["gemini"], "gemini_url": gemini.url, "gemini_model": gemini.model}
        told |= {"vision_providers": "gemini", "vision_retries": 0, "comfyui_url": f"http://127.0.0.1:{standin}"}
        told |= {"log_level": "DEBUG", "ocr_enabled": "false"}
        gemini.api_key = "another"  # so that it refuses ours, and quotes it
        api = stack.enter_context(api_process(tmp_path, valkey.url, s3, **told))
        queues = {"worker_queues": "gpu,net"}
        worker = stack.enter_context(worker_process(tmp_path, valkey.url, s3, **(told | queues)))
        store = await open_store(valkey.url)
        stack.push_async_callback(store.close)
        secret |= await keys_in(store, secret["api_key_pepper"])
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=api.url, timeout=PATIENCE_S))
        yield Site(api, worker, http, store, secret)


async def keys_in(store: Store, pepper: str) -> dict[str, str]:
    """A user's key and an admin's."""
    admin = mint(admin=True)
    await bootstrap(store, pepper.encode(), secret=admin)
    user = await create_user(store, "someone@example.com", "internal")
    _, secret = await create_api_key(
        store, pepper.encode(), user_id=user.id, name="test", scopes=DEFAULT_SCOPES, lives_s=3_600
    )
    return {"api key": secret, "admin key": admin}


async def hook(site: Site, said: dict[str, str]) -> dict[str, str]:
    """A receiver that no name server knows, for all jobs and for one; what the job is to say of it."""
    told = {
        "url": f"https://receiver.invalid/{said['webhook path']}",
        "bearer_token": site.secret["receiver token"],
    }
    made = await site.http.post("/api/v1/webhooks", json={**told, "events": ["job.succeeded"]}, headers=site.key)
    assert made.status_code == 201, made.text
    site.secret["signing secret"] = made.json()["secret"]
    return told


async def work(site: Site, said: dict[str, str]) -> None:
    """Two jobs that are run: one that succeeds, and one whose provider refuses our credential and quotes it."""
    order = {
        "kind": "generate",
        "input": {**PICTURE, "prompt": said["prompt"], "negative_prompt": said["negative prompt"]},
        "metadata": {said["metadata name"]: said["metadata"]},
        "fairness_key": said["fairness key"],
        "webhook": await hook(site, said),
    }
    headers = site.key | {"Idempotency-Key": said["idempotency key"], "Prefer": "wait=20"}
    done = await site.http.post(JOBS, json=order, headers=headers | {"X-Anything": said["header"]})
    assert (done.status_code, done.json()["status"]) == (201, "succeeded"), done.text
    file = {"filename": said["filename"] + ".png", "content_type": "image/png", "size_bytes": 10}
    assert (await site.http.post("/api/v1/uploads", json=file, headers=site.key)).status_code == 201
    picture = io.BytesIO()
    Image.new("RGB", (80, 80), "white").save(picture, "PNG")
    body = {"image": base64.b64encode(picture.getvalue()).decode()}
    detect = await site.http.post("/api/v1/detect", json=body, headers=site.key | {"Prefer": "respond-async"})
    assert detect.status_code == 202, detect.text
    async with asyncio.timeout(PATIENCE_S):
        while "gemini answers with status" not in site.logs:
            await asyncio.sleep(0.05)
    job = await site.http.get(f"{JOBS}/{detect.json()['id']}", headers=site.key)
    assert site.secret["gemini"] not in job.text


async def follow(site: Site, said: dict[str, str]) -> None:
    """A follower over a socket, by key and by token: the library below tells every header at DEBUG."""
    job = (await site.http.post(JOBS, json={**PICTURE, "prompt": said["prompt"]}, headers=site.key)).json()
    made = await site.http.post("/api/v1/stream-tokens", json={"job_id": job["id"]}, headers=site.key)
    token, address = made.json()["token"], f"{site.api.url.replace('http', 'ws')}/ws/jobs/{job['id']}"
    own = {"X-Api-Key": site.secret["api key"], "X-Anything": said["header"], "Cookie": f"a={said['header']}"}
    for url, headers in ((address, own), (f"{address}?token={token}", {"X-Anything": said["header"]})):
        async with connect(url, additional_headers=headers) as socket:
            async for _ in socket:
                pass
    assert token not in site.logs


async def mischief(site: Site, word: str) -> list[httpx.Response]:
    """Requests that are refused, with a word in every part of them that a refusal or a log might quote."""
    ask, near = site.http.request, {**site.key, "X-Anything": word}
    secret = site.secret["api key"]
    return [
        await ask("GET", f"/api/v1/{word}", headers=near),
        await ask("GET", f"{JOBS}/{word}?token={word}&api_key={secret}", headers=near),
        await ask("GET", f"{JOBS}?cursor={word}", headers=near),
        await ask("GET", f"{JOBS}?status=x&api_key={secret}", headers=near),
        await ask("POST", JOBS, content=b'{"prompt": "' + word.encode(), headers=near | JSON),
        await ask("POST", JOBS, json={**PICTURE, "prompt": word, "width": -1}, headers=near),
        await ask("POST", JOBS, json=PICTURE, headers=near | {"Idempotency-Key": f"two {word}"}),
        await ask("GET", JOBS, headers={"Authorization": f"Bearer {word}"}),
        await ask("GET", JOBS, headers={"Authorization": f"Basic {word}"}),
        await ask("GET", JOBS, headers={"X-Api-Key": secret[:-1]}),
        await ask("GET", JOBS, headers={"X-Api-Key": secret, "Authorization": f"Bearer {secret}"}),
        await ask("GET", "/admin/users", headers=site.key),
    ]


JSON = {"Content-Type": "application/json"}
PLACES = (
    "prompt",
    "negative prompt",
    "metadata",
    "metadata name",
    "fairness key",
    "idempotency key",
    "header",
    "webhook path",
)


async def test_what_goes_in_comes_out_nowhere(site: Site) -> None:
    said = {place: canary(place.replace(" ", "-")) for place in (*PLACES, "filename")}
    word = canary("mischief")
    await work(site, said)
    await follow(site, said)
    refusals = await mischief(site, word)
    assert all(400 <= answer.status_code < 500 for answer in refusals)
    logs, metrics = site.logs, await site.metrics()
    for place, secret in site.secret.items():
        assert secret not in logs, place
        assert secret not in metrics, place
        assert not [answer.text for answer in refusals if secret in answer.text], place
    for place, text in {**said, "mischief": word}.items():
        assert text not in logs, place
        assert text not in metrics, place


async def test_redis_holds_no_secret(site: Site) -> None:
    said = {place: canary(place.replace(" ", "-")) for place in (*PLACES, "filename")}
    await work(site, said)
    created = await site.http.post(JOBS, json=PICTURE, headers=site.key)
    token = await site.http.post("/api/v1/stream-tokens", json={"job_id": created.json()["id"]}, headers=site.key)
    dump = await site.dump()
    assert said["prompt"].encode() in dump, "what the search finds when it is there"
    for place, secret in {**site.secret, "stream token": token.json()["token"]}.items():
        assert secret.encode() not in dump, place
    assert said["header"].encode() not in dump

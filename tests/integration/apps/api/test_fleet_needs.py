"""By whatever way a job comes in, its record says what it needs of the fleet: by that it is given a server."""

from __future__ import annotations

import asyncio
from typing import Any

from libs.backends.comfyui.schema import read_classes
from libs.backends.fleet.offers import publish_server
from tests.fakes.api import Api
from tests.fakes.customers import BATCHES, COMPARISONS, PICTURE, customer_of
from tests.integration.apps.api.conftest import MakeApi
from tests.patience import PATIENCE_S

DRAW: dict[str, Any] = {**PICTURE, "model": "one.safetensors", "loras": [{"name": "over.safetensors"}]}


async def needs_of(api: Api, job_id: str) -> str:
    """As it stands in the record, once there is one."""
    store = api.resources.store
    async with asyncio.timeout(PATIENCE_S):
        while not (needs := await store.call("HGET", store.keys.job + job_id, "needs")):
            await asyncio.sleep(0.02)
    return str(needs.decode())


async def test_jobs_items_and_variants_need_the_same(api: Api) -> None:
    someone = await customer_of(api)
    by_itself = await needs_of(api, (await someone.job(DRAW))["id"])
    assert len(by_itself.split()) == 3
    body = {"input": DRAW, "variants": [{"name": "a"}, {"name": "b", "input": {"loras": []}}]}
    first, second = (await someone.post(COMPARISONS, body)).json()["variants"]
    assert await needs_of(api, first["job_id"]) == by_itself
    assert set((await needs_of(api, second["job_id"])).split()) < set(by_itself.split())
    batch = (await someone.post(BATCHES, {"kind": "generate", "items": [DRAW]})).json()
    (item,) = (await someone.get(f"{BATCHES}/{batch['id']}/items")).json()["data"]
    assert await needs_of(api, item["job_id"]) == by_itself


async def say(api: Api, server: str, files: list[str]) -> None:
    """What a worker writes down of a server: the files that it can load."""
    info = {"Loader": {"input": {"required": {"file": [files, {}]}}, "output": []}}
    (found,) = [each for each in api.resources.backends["comfyui"].servers if each.name == server]
    await publish_server(api.resources.store, found, read_classes(info), ["gpu"])


async def test_a_file_that_the_only_server_does_not_have_is_refused(make_api: MakeApi) -> None:
    api = await make_api(comfyui_url="http://127.0.0.1:1")
    await say(api, "comfyui", ["one.safetensors"])
    assert (await (await customer_of(api)).submit(DRAW)).status_code == 422


async def test_what_no_server_has_together_is_refused_once_all_have_spoken(make_api: MakeApi) -> None:
    apis = [await make_api(comfyui_url="http://127.0.0.1:1,http://127.0.0.1:2") for _ in range(2)]
    before, after = [await customer_of(api) for api in apis]
    await say(apis[0], "comfyui", ["one.safetensors"])
    assert (await before.submit(DRAW)).status_code == 202, "the other server may have both"
    await say(apis[0], "comfyui-2", ["over.safetensors"])
    refused = await after.submit({"kind": "generate", "input": DRAW})
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["pointer"], error["code"]) == (422, "#/input", "not_offered")
    assert "together" in error["detail"]
    await say(apis[0], "comfyui-2", ["over.safetensors", "one.safetensors"])
    async with asyncio.timeout(PATIENCE_S):  # a refusal is remembered for a moment only
        while (await after.submit(DRAW)).status_code != 202:
            await asyncio.sleep(0.05)

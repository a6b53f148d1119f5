"""By whatever way a job comes in, its record says what it needs of the fleet: by that it is given a server."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fakes.api import Api
from tests.fakes.customers import BATCHES, COMPARISONS, PICTURE, customer_of

DRAW: dict[str, Any] = {**PICTURE, "model": "one.safetensors", "loras": [{"name": "over.safetensors"}]}


async def needs_of(api: Api, job_id: str) -> str:
    """As it stands in the record, once there is one."""
    store = api.resources.store
    async with asyncio.timeout(5):
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

"""Several servers and several worker processes: every job gets one server, no server gets more than its slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from libs.embedded.comfyui_standin import Fault, Standin
from tests.fakes.customers import PICTURE, customer_of
from tests.fakes.workers import LOST_AFTER_S, WorkerProcess
from tests.integration.apps.worker.workshop import OpenWorkshop, Workshop
from tests.patience import PATIENCE_S

ONLY_A, ONLY_B = "dreamshaper_8.safetensors", "sd_xl_base_1.0.safetensors"
#: A breaker that opens at once and lets somebody try soon.
BREAKER = "breaker = { failures_in_a_row = 2, open_s = 0.5, open_s_max = 0.5 }"


@dataclass
class Site:
    """A workshop whose workers reach a fleet of stand-ins, by name."""

    workshop: Workshop
    servers: dict[str, Standin]
    file: Path
    workers: list[WorkerProcess] = field(default_factory=list)

    async def start(self, workers: int, **changes: Any) -> None:
        for _ in range(workers):
            started = self.workshop.start_worker(
                backends_file=str(self.file), comfyui_url="http://127.0.0.1:1", **changes
            )
            self.workers.append(started)
        await self.workshop.workers_ready(workers)

    async def jobs(self, count: int, **members: Any) -> list[str]:
        return [(await self.workshop.someone.job({**PICTURE, **members}))["id"] for _ in range(count)]

    async def ended(self, job_ids: list[str], within_s: float = PATIENCE_S) -> list[str]:
        return [(await self.workshop.finished(job_id, within_s))["status"] for job_id in job_ids]

    def faults(self, server: str, *faults: Fault) -> None:
        told = [{"name": one.name, "path": one.path, "times": one.times} for one in faults]
        self.servers[server].faults.replace(told)

    def runs(self, server: str) -> int:
        return self.servers[server].prompts.runs.total()

    async def known(self, *servers: str) -> None:
        """Wait until it is known what these servers offer."""
        store = self.workshop.api.resources.store
        async with asyncio.timeout(PATIENCE_S):
            while not all([await store.call("SCARD", store.keys.offers + server) for server in servers]):
                await asyncio.sleep(0.02)


OpenSite = Callable[..., Awaitable[Site]]


@pytest.fixture
async def open_site(open_workshop: OpenWorkshop, tmp_path: Path) -> AsyncIterator[OpenSite]:
    async with AsyncExitStack() as stack:

        async def open_one(servers: dict[str, dict[str, Any]], *, step_ms: float = 10) -> Site:
            opened = await open_workshop()
            workshop = replace(opened, someone=await customer_of(opened.api, slots=50))
            lines = ["[comfyui]", 'protocol = "comfyui"', BREAKER]
            standins = {}
            for name, told in servers.items():
                slots = told.pop("slots", 1)
                standins[name] = Standin(step_ms=step_ms, **told)
                port = await stack.enter_async_context(standins[name].listening())
                lines += ["[[comfyui.servers]]", f'name = "{name}"', f'url = "http://127.0.0.1:{port}"']
                lines += [f"slots = {slots}"]
            file = tmp_path / "backends.toml"
            file.write_text("\n".join(lines))
            return Site(workshop, standins, file)

        yield open_one


async def test_workers_that_are_killed_never_overfill_a_server_and_no_prompt_runs_twice(open_site: OpenSite) -> None:
    site = await open_site({"a": {"slots": 1}, "b": {"slots": 2}}, step_ms=5)
    await site.start(4, arq_worker_concurrency=3, lease_s=LOST_AFTER_S)
    jobs = await site.jobs(24, steps=20)
    for number in range(4):
        await asyncio.sleep(0.6)
        site.workers[number].kill()
        await site.start(1, arq_worker_concurrency=3, lease_s=LOST_AFTER_S)
    assert await site.ended(jobs) == ["succeeded"] * len(jobs)
    assert {name: one.prompts.most_at_once for name, one in site.servers.items()} == {"a": 1, "b": 2}
    for standin in site.servers.values():
        assert set(standin.prompts.runs.values()) == {1}
    assert site.runs("a") + site.runs("b") == len(jobs)


async def test_a_job_runs_where_its_model_is_and_what_no_server_has_is_refused(open_site: OpenSite) -> None:
    site = await open_site({"a": {"checkpoints": [ONLY_A]}, "b": {"checkpoints": [ONLY_B]}})
    admin = await site.workshop.api.admin()
    assert (await site.workshop.api.http.post("/admin/queues/gpu/pause", headers=admin)).status_code == 200
    early = await site.jobs(1, model=ONLY_B)  # nothing is known yet: it is accepted
    await site.start(2)
    await site.known("a", "b")
    assert (await site.workshop.api.http.post("/admin/queues/gpu/resume", headers=admin)).status_code == 200
    jobs = early + await site.jobs(2, model=ONLY_A) + await site.jobs(2, model=ONLY_B)
    assert await site.ended(jobs) == ["succeeded"] * 5
    assert (site.runs("a"), site.runs("b")) == (2, 3)
    await asyncio.sleep(0.6)  # what the API remembers of an unknown catalogue
    refused = await site.workshop.someone.submit({**PICTURE, "model": "nobody_has_it.ckpt"})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "not_offered")
    assert ONLY_A in refused.text
    assert ONLY_B in refused.text


async def test_out_of_memory_frees_the_server_and_is_tried_once_elsewhere(open_site: OpenSite) -> None:
    site = await open_site({"a": {}, "b": {}})
    await site.start(1)
    for server in site.servers:
        site.faults(server, Fault("out_of_memory", times=1))
    (first,) = await site.jobs(1)
    job = await site.workshop.finished(first)
    assert (job["status"], job["error"]["code"], job["attempt"]) == ("failed", "out_of_memory", 2)
    assert [one.routes.frees for one in site.servers.values()] == [1, 1]
    site.faults("a", Fault("out_of_memory"))
    (second,) = await site.jobs(1)
    assert await site.ended([second]) == ["succeeded"]
    assert site.runs("b") == 2


async def test_a_server_whose_device_is_broken_is_out_of_the_fleet_and_its_job_runs_elsewhere(
    open_site: OpenSite,
) -> None:
    site = await open_site({"a": {}, "b": {}})
    await site.start(1)
    site.faults("a", Fault("device_fault"))
    jobs = await site.jobs(6)
    assert await site.ended(jobs) == ["succeeded"] * 6
    assert (site.runs("a"), site.runs("b")) == (1, 6)
    errors = site.workers[0].lines("error")
    assert [line["message"] for line in errors] == ["server a is taken out of the fleet: device_fault"]


async def test_a_server_that_does_nothing_right_draws_no_jobs_to_itself(open_site: OpenSite) -> None:
    site = await open_site({"a": {}, "b": {}})
    await site.start(2)
    site.faults("a", Fault("status_500", "/prompt"), Fault("garbage", "/system_stats"))
    jobs = await site.jobs(12)
    assert await site.ended(jobs) == ["succeeded"] * 12
    assert site.runs("b") == 12
    assert all([(await site.workshop.record(job_id)).failures <= 1 for job_id in jobs])


async def test_while_every_server_is_away_jobs_wait_and_when_one_is_back_they_run(open_site: OpenSite) -> None:
    site = await open_site({"a": {}, "b": {}})
    for server in site.servers:
        site.faults(server, Fault("garbage"))
    await site.start(2)
    jobs = await site.jobs(5)
    store = site.workshop.api.resources.store
    async with asyncio.timeout(PATIENCE_S):
        while await store.call("EXISTS", store.keys.breaker + "a", store.keys.breaker + "b") < 2:
            await asyncio.sleep(0.05)
    site.faults("b")
    assert await site.ended(jobs) == ["succeeded"] * 5
    assert (site.runs("a"), site.runs("b")) == (0, 5)
    records = [await site.workshop.record(job_id) for job_id in jobs]
    assert [(record.failures, record.crashes) for record in records] == [(0, 0)] * 5


async def test_workers_without_a_server_to_give_keep_quiet(open_site: OpenSite) -> None:
    site = await open_site({"a": {}}, step_ms=100)
    await site.start(4)
    (running, *waiting) = await site.jobs(31, steps=100)
    await site.workshop.at_work(running)
    store = site.workshop.api.resources.store

    async def commands() -> int:
        info = (await store.call("INFO", "commandstats")).decode()
        return sum(
            int(line.partition("calls=")[2].partition(",")[0])
            for line in info.splitlines()
            if line.startswith(("cmdstat_evalsha:", "cmdstat_blpop:"))
        )

    before = await commands()
    await asyncio.sleep(3)
    assert (await commands() - before) / 3 < 100, "a worker that spins makes thousands"
    assert site.servers["a"].prompts.most_at_once == 1
    for job_id in (running, *waiting):
        await site.workshop.someone.delete(f"/api/v1/jobs/{job_id}")
    assert await site.ended([running, *waiting]) == ["canceled"] * 31

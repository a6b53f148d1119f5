"""What the client relies on, held against the stand-in and, where COMFYUI_URL names one, a real ComfyUI.

The real one needs a checkpoint; the pictures are small and few.
"""

from __future__ import annotations

import asyncio
import io
import os
import secrets
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from libs.backends.comfyui import ComfyUI
from libs.backends.comfyui.catalogue import read_catalogue
from libs.embedded.comfyui_standin import Standin
from libs.ids import new_id
from libs.kinds.generate import run
from libs.kinds.generate_input import GenerateInput
from libs.spool import chunks_of
from tests.fakes.attempt import FakeAttempt, stop

SIDE = 128


@pytest.fixture(params=["newest", "older", *(["real"] if "COMFYUI_URL" in os.environ else [])])
async def comfyui(request: pytest.FixtureRequest) -> AsyncIterator[ComfyUI]:
    if request.param == "real":
        client = ComfyUI(os.environ["COMFYUI_URL"])
        yield client
        await client.aclose()
        return
    async with Standin(step_ms=5, generation=request.param).listening() as port:
        client = ComfyUI(f"http://127.0.0.1:{port}")
        yield client
        await client.aclose()


def wanted(*, steps: int = 2, batch_size: int = 1, seed: int = 1) -> GenerateInput:
    return GenerateInput(
        prompt="a lighthouse at dawn", width=SIDE, height=SIDE, steps=steps, batch_size=batch_size, seed=seed
    )


async def test_it_says_what_it_is_and_lists_what_it_offers(comfyui: ComfyUI) -> None:
    assert (await comfyui.version())["comfyui"]
    catalogue = read_catalogue((await comfyui.offer()).classes)
    assert catalogue["models"] == await comfyui.models()
    assert catalogue["models"]
    assert {"euler", "euler_ancestral"} <= set(catalogue["samplers"])
    assert "normal" in catalogue["schedulers"]
    assert {"KSampler", "SaveImage"} <= set(catalogue["node_classes"])


async def test_a_batch_becomes_as_many_pictures_of_the_wanted_size(comfyui: ComfyUI) -> None:
    attempt = FakeAttempt(new_id("job"), comfyui=comfyui)
    output = await run(wanted(batch_size=2, seed=42), attempt)
    assert output.value == {"seed": 42, "seeds": [42, 43], "model": (await comfyui.models())[0], "images": 2}
    assert [artifact.name for artifact in output.artifacts] == ["0.png", "1.png"]
    for index, artifact in enumerate(output.artifacts):
        assert artifact.facts == {"seed": 42 + index, "batch_index": index, "width": SIDE, "height": SIDE}
        with Image.open(io.BytesIO(b"".join(chunks_of(artifact.data)))) as picture:
            assert (picture.format, picture.size) == ("PNG", (SIDE, SIDE))


async def test_a_job_without_a_seed_draws_one_of_its_own_and_tells_it(comfyui: ComfyUI) -> None:
    unseeded = wanted().model_copy(update={"seed": None})
    seeds = []
    for job_id in ("job_a", "job_b", "job_a"):
        attempt = FakeAttempt(job_id + secrets.token_hex(4) if job_id == "job_b" else job_id, comfyui=comfyui)
        seeds.append((await run(unseeded, attempt)).value["seed"])
    assert seeds[0] == seeds[2] != seeds[1]


async def test_progress_is_told_from_the_start_to_the_last_step(comfyui: ComfyUI) -> None:
    attempt = FakeAttempt(new_id("job"), comfyui=comfyui)
    await run(wanted(steps=4, seed=secrets.randbelow(2**32)), attempt)
    assert attempt.reports[0] == (0, 4, "submitted")
    assert (4, 4, "sampling") in attempt.reports


async def test_two_jobs_with_the_same_wish_both_get_their_picture(comfyui: ComfyUI) -> None:
    for _ in range(2):
        attempt = FakeAttempt(new_id("job"), comfyui=comfyui)
        assert len((await run(wanted(), attempt)).artifacts) == 1


async def test_a_canceled_job_ends_at_the_backend(comfyui: ComfyUI) -> None:
    attempt = FakeAttempt(new_id("job"), comfyui=comfyui)
    task = asyncio.create_task(run(wanted(steps=150, seed=secrets.randbelow(2**32)), attempt))
    await asyncio.wait_for(attempt.reported.wait(), 120)
    await stop(task, attempt, "canceled")
    assert task.cancelled()
    following = FakeAttempt(new_id("job"), comfyui=comfyui)
    assert (await run(wanted(), following)).artifacts


async def test_a_released_job_is_resumed_under_the_same_submission(comfyui: ComfyUI) -> None:
    attempt = FakeAttempt(new_id("job"), comfyui=comfyui)
    asked = wanted(steps=20, seed=secrets.randbelow(2**32))
    task = asyncio.create_task(run(asked, attempt))
    await asyncio.wait_for(attempt.reported.wait(), 120)
    await stop(task, attempt, "released")
    following = attempt.next_attempt()
    assert (await run(asked, following)).artifacts
    assert following.submissions == []

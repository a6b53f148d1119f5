"""What a prompt leaves behind is as large as it likes: it never lies in the worker's memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from libs import limits
from libs.backends.comfyui import ComfyUI
from libs.backends.comfyui.outputs import OUTPUT_MEMORY_BYTES_MAX
from libs.embedded.comfyui_standin import Fault
from libs.errors import Failure
from libs.spool import Spool, chunks_of
from tests.integration.libs.backends.comfyui.bench import PATIENCE, Bench, graph, one_generation

MIB = 1024 * 1024


def memory_bytes(what: str) -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1]) * 1024


def forget_the_peak() -> int:
    """What is in memory now; VmHWM counts anew from here (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_bytes("VmRSS")


def leave(bench: Bench, *sizes: int) -> None:
    """Have the next prompt leave files of these sizes."""
    files = bench.standin.routes.files

    async def save(_drawing: object, folder: str, prefix: str) -> list[dict[str, str]]:
        return [files.save(folder, prefix, "bin", bytes([index]) * size) for index, size in enumerate(sizes)]

    bench.standin.stage.save = save  # type: ignore[assignment, method-assign]


@one_generation
@pytest.mark.parametrize("fault", ["huge", "huge_declared"])
async def test_a_body_of_a_gigabyte_fails_the_job_and_takes_no_memory(bench: Bench, fault: str) -> None:
    bench.faults(Fault(fault, "/view"))
    patient = ComfyUI(bench.url, 60, patience=replace(PATIENCE, fetch_s=60))
    before = forget_the_peak()
    with pytest.raises(Failure, match="too large"):
        await patient.run(graph(), bench.attempt())
    assert memory_bytes("VmHWM") - before < 100 * MIB
    await patient.aclose()


async def test_a_node_may_tell_forty_megabytes(bench: Bench) -> None:
    told = {"1": {"class_type": "SaveText", "inputs": {"text": "x" * 40_000_000}}}
    patient = ComfyUI(bench.url, 60, patience=replace(PATIENCE, call_s=60, fetch_s=60))
    outcome = await patient.run(told, bench.attempt())
    await patient.aclose()
    assert [len(file.data) for file in outcome.files] == [40_000_000]
    assert bench.runs == 1


async def test_a_record_past_the_ceiling_fails_the_job_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PROMPT_RECORD_BYTES_MAX", 10_000)
    told = {"1": {"class_type": "SaveText", "inputs": {"text": "x" * 20_000}}}
    with pytest.raises(Failure) as caught:
        await bench.comfyui.run(told, bench.attempt())
    assert (caught.value.code, caught.value.retryable) == ("output_too_large", False)
    assert bench.runs == 1


@one_generation
async def test_what_does_not_fit_into_memory_lies_on_disk_and_small_files_do_not(bench: Bench) -> None:
    leave(bench, 1_000, OUTPUT_MEMORY_BYTES_MAX - 1_000, 1, 20 * MIB)
    patient = ComfyUI(bench.url, 60, patience=replace(PATIENCE, fetch_s=60))
    files = (await patient.run(graph(), bench.attempt())).files
    await patient.aclose()
    assert [len(file.data) for file in files] == [1_000, OUTPUT_MEMORY_BYTES_MAX - 1_000, 1, 20 * MIB]
    assert [isinstance(file.data, Spool) for file in files] == [False, False, True, True]
    assert b"".join(chunks_of(files[3].data)) == bytes([3]) * (20 * MIB)
    assert files[3].head == bytes([3]) * 65_536

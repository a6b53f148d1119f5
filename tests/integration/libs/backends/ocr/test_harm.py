"""Files that mean harm, and children that die: the worker goes on, and nothing is left behind."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from libs.backends.ocr import OcrEngine
from libs.errors import Failure
from tests.fakes.processes import eventually
from tests.fakes.scanned_page import SAMPLE

PAGE = SAMPLE.read_bytes()


def bomb(side: int) -> bytes:
    """A small PNG that says it is a large picture, and is."""
    head = side.to_bytes(4, "big") * 2 + b"\x01\x00\x00\x00\x00"
    packed = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(packed.compress(row) for _ in range(side)) + packed.flush()

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def truncated_png() -> bytes:
    kept = io.BytesIO()
    Image.open(io.BytesIO(PAGE)).save(kept, "PNG")
    return kept.getvalue()[:5_000]


async def read(engine: OcrEngine, data: bytes, content_type: str = "image/png") -> list[object]:
    return [page async for page in engine.pages(data, content_type)]


def child_of(engine: OcrEngine) -> int:
    pid = engine._children[0].pid
    assert pid is not None
    return pid


@pytest.mark.parametrize(
    "data, content_type",
    [
        (b"", "image/png"),
        (b"garbage", "image/jpeg"),
        (b"%PDF-1.7 garbage", "application/pdf"),
        (PAGE, "image/png"),
        (PAGE, "text/html"),
        (truncated_png(), "image/png"),
        (bomb(32_000), "image/png"),
    ],
    ids=["empty", "garbage", "garbage PDF", "a lying type", "no picture's type", "truncated", "a gigapixel bomb"],
)
async def test_what_is_no_readable_picture_is_the_callers_fault(
    engine: OcrEngine, data: bytes, content_type: str
) -> None:
    await read(engine, PAGE, "image/jpeg")
    before = child_of(engine)
    with pytest.raises(Failure, match="image_unreadable") as failure:
        await read(engine, data, content_type)
    assert (failure.value.fault, failure.value.retryable) == ("caller", False)
    assert child_of(engine) == before, "the child is as good as before"


async def test_a_child_that_is_killed_costs_an_attempt_and_the_next_page_is_read(engine: OcrEngine) -> None:
    reading = asyncio.create_task(read(engine, PAGE, "image/jpeg"))
    await asyncio.sleep(0.2)
    os.kill(child_of(engine), signal.SIGKILL)
    with pytest.raises(Failure, match="ocr_crashed") as failure:
        await reading
    assert failure.value.retryable
    assert len(await read(engine, PAGE, "image/jpeg")) == 1


async def test_a_reading_that_is_canceled_ends_its_child_and_the_next_page_is_read(engine: OcrEngine) -> None:
    await read(engine, PAGE, "image/jpeg")
    before = child_of(engine)
    reading = asyncio.create_task(read(engine, PAGE, "image/jpeg"))
    await asyncio.sleep(0.2)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert len(await read(engine, PAGE, "image/jpeg")) == 1
    assert child_of(engine) != before


async def test_a_page_that_takes_too_long_is_given_up() -> None:
    engine = OcrEngine(1, page_s=0.05)
    try:
        with pytest.raises(Failure, match=r"ocr_timed_out|ocr_crashed") as failure:
            await read(engine, PAGE, "image/jpeg")
        if failure.value.code == "ocr_timed_out":
            assert (failure.value.retryable, failure.value.fault) == (False, "caller")
            assert "is charged" in failure.value.detail
    finally:
        await engine.aclose()


def test_children_do_not_outlive_a_worker_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from libs.backends.ocr import OcrEngine\n"
        "async def main():\n"
        "    engine = OcrEngine(1)\n"
        "    await engine.open()\n"
        "    print(engine._children[0].pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
        worker.kill()
        worker.wait()
    eventually(lambda: not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes())

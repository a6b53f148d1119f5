"""Pages of a PDF are counted by the parser that will read them, in a child that can do no harm."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable

import pypdfium2
import pytest

from libs.backends.cage import ForkServer
from libs.backends.paper import PageCounter
from libs.errors import Failure


def pdf(pages: int) -> bytes:
    document = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        document.new_page(200, 300)
    kept = io.BytesIO()
    document.save(kept)
    return kept.getvalue()


def fetching(data: bytes) -> Callable[[], Awaitable[bytes]]:
    async def fetch() -> bytes:
        return data

    return fetch


async def test_files_are_counted_side_by_side(cage: ForkServer) -> None:
    counter = PageCounter(cage)
    assert await asyncio.gather(*[counter.count(fetching(pdf(pages))) for pages in (1, 3, 120)]) == [1, 3, 120]


@pytest.mark.parametrize(
    "data",
    [b"", b"%PDF-1.7\ngarbage", pdf(2)[:200], b"\x89PNG\r\n\x1a\n" + b"0" * 100],
    ids=["nothing", "garbage", "a torn file", "something else"],
)
async def test_what_is_no_pdf_is_the_callers_fault(cage: ForkServer, data: bytes) -> None:
    with pytest.raises(Failure, match="unreadable") as failure:
        await PageCounter(cage).count(fetching(data))
    assert failure.value.fault == "caller"


async def test_one_that_takes_too_long_is_given_up_and_the_next_is_counted(
    cage: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("libs.backends.paper.count._TASK", "tests.fakes.silent")
        with pytest.raises(Failure, match="unreadable"):
            await PageCounter(cage, seconds_max=0.1).count(fetching(pdf(1)))
    assert await PageCounter(cage).count(fetching(pdf(1))) == 1


async def test_an_impatient_caller_leaves_no_child_behind_and_gives_back_the_room(cage: ForkServer) -> None:
    counter = PageCounter(cage, at_once=1)
    counting = asyncio.create_task(counter.count(fetching(pdf(1))))
    await asyncio.sleep(0)
    counting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await counting
    assert await counter.count(fetching(pdf(2))) == 2

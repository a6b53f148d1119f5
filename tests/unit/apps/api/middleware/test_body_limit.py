from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from apps.api.body import read_bytes
from apps.api.middleware import body_limit
from apps.api.middleware.body_limit import BodyLimit
from apps.api.server.budget import Budget
from libs import limits
from libs.errors import Refusal


async def read(
    pieces: Sequence[bytes],
    declared: bytes | None = None,
    *,
    bytes_max: int = 10,
    route_max: int | None = None,
    ends: bool = True,
    idle_s: float = 5,
    budget: Budget | None = None,
) -> bytes:
    """What an endpoint reads of a body that comes in pieces; without an end it stalls."""
    found = b""
    left = list(pieces)
    headers = [] if declared is None else [(b"content-length", declared)]

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or not ends}

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal found
        scope["arqade.body_bytes_max"] = route_max
        found = await read_bytes(receive)

    async def send(message: Message) -> None:
        raise AssertionError("nothing is sent")

    app = BodyLimit(endpoint, budget or Budget(2**30), bytes_max=bytes_max, idle_s=idle_s)
    await app({"type": "http", "headers": headers}, receive, send)
    return found


async def refusal(*arguments: object, **named: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await read(*arguments, **named)  # type: ignore[arg-type]
    return caught.value


async def test_a_body_of_just_the_limit_is_read() -> None:
    assert await read([b"12345", b"67890"]) == b"1234567890"
    assert await read([b"1234567890"], b"10") == b"1234567890"


async def test_one_byte_more_is_too_large_whatever_was_declared() -> None:
    assert (await refusal([b"12345", b"67890", b"1"])).code == "body_too_large"
    assert (await refusal([b"12345678901"], b"11")).code == "body_too_large"
    assert (await refusal([b"12345678901"], b"5")).code == "body_too_large"


async def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    assert (await refusal([], b"11")).code == "body_too_large"
    assert (await refusal([], b"9" * 5_000)).code == "body_too_large"


async def test_the_rest_of_a_body_that_is_too_large_is_dropped_so_that_its_sender_reads_why() -> None:
    assert (await refusal([b"x" * 11] * 5)).headers == {}


async def test_but_not_without_end() -> None:
    megabyte = bytes(1024 * 1024)
    pieces = [megabyte] * (limits.BODY_DISCARD_BYTES_MAX // len(megabyte) + 2)
    assert (await refusal(pieces)).headers == {"Connection": "close"}
    assert (await refusal([], str(limits.BODY_DISCARD_BYTES_MAX + 1).encode())).headers == {"Connection": "close"}


@pytest.mark.parametrize("body, declared", [(b"123456", b"5"), (b"1234", b"5"), (b"", b"1")])
async def test_a_length_that_is_a_lie_is_malformed(body: bytes, declared: bytes) -> None:
    assert (await refusal([body], declared)).code == "malformed_request"


@pytest.mark.parametrize("declared", [b"-1", b"five", b"", b"1.0", b"\xb2"])
async def test_a_length_that_is_no_number_is_malformed(declared: bytes) -> None:
    assert (await refusal([b""], declared)).code == "malformed_request"


async def test_a_body_that_pauses_too_long_times_out_and_the_connection_closes() -> None:
    found = await refusal([b"123"], ends=False, idle_s=0.01)
    assert (found.code, found.headers) == ("request_timeout", {"Connection": "close"})


async def test_after_the_body_a_client_may_be_silent_for_as_long_as_it_likes() -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    gone = asyncio.Event()

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def follow(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        asyncio.get_running_loop().call_later(0.05, gone.set)
        assert (await receive())["type"] == "http.disconnect"

    async def send(message: Message) -> None:
        raise AssertionError("nothing is sent")

    await BodyLimit(follow, Budget(2**30), bytes_max=10, idle_s=0.01)({"type": "http", "headers": []}, receive, send)


PIECE = bytes(10_000)


async def test_a_body_is_held_while_it_comes_and_twice_when_it_is_whole_until_the_request_is_over() -> None:
    budget, held = Budget(2**30), []
    pieces = [PIECE] * 4

    async def receive() -> Message:
        held.append(budget.held_by("192.0.2.1"))
        return {"type": "http.request", "body": pieces.pop(), "more_body": bool(pieces)}

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await read_bytes(receive)
        held.append(budget.held_by("192.0.2.1"))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await BodyLimit(endpoint, budget, bytes_max=2**20)(SCOPE, receive, nothing_is_sent)
    assert held == [0, 10_000, 20_000, 30_000, 80_000]
    assert budget.held_bytes == 0


async def test_what_a_request_lets_go_of_is_counted_no_more() -> None:
    budget = Budget(2**30)

    async def receive() -> Message:
        return {"type": "http.request", "body": PIECE * 2, "more_body": False}

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await read_bytes(receive)
        assert budget.held_bytes == 40_000
        scope["arqade.body"].release()
        assert budget.held_bytes == 0

    await BodyLimit(endpoint, budget, bytes_max=2**20)(SCOPE, receive, nothing_is_sent)
    assert budget.held_bytes == 0


async def test_a_small_body_is_read_however_much_is_under_way() -> None:
    budget = Budget(0)
    small = bytes(limits.BODY_SMALL_BYTES_MAX)
    assert await read([small], bytes_max=2**20, budget=budget) == small
    assert await read([small[:9], small[9:]], bytes_max=2**20, budget=budget) == small
    assert (await refusal([small, b"1"], bytes_max=2**20, budget=budget)).code == "rate_limited"


async def test_a_body_that_is_canceled_is_held_no_more() -> None:
    budget, waiting = Budget(2**30), asyncio.Event()
    pieces = [PIECE]

    async def receive() -> Message:
        if not pieces:
            waiting.set()
            await asyncio.Event().wait()
        return {"type": "http.request", "body": pieces.pop(), "more_body": True}

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await read_bytes(receive)

    reading = asyncio.create_task(BodyLimit(endpoint, budget, bytes_max=2**20)(dict(SCOPE), receive, nothing_is_sent))
    await waiting.wait()
    assert budget.held_bytes == len(PIECE)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert budget.held_bytes == 0


async def test_who_hangs_up_is_held_no_more_though_the_endpoint_goes_on() -> None:
    budget, pieces = Budget(2**30), [PIECE]

    async def receive() -> Message:
        if not pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(), "more_body": True}

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(ClientDisconnect):
            await read_bytes(receive)
        assert budget.held_bytes == 0

    await BodyLimit(endpoint, budget, bytes_max=2**20)(dict(SCOPE), receive, nothing_is_sent)


@pytest.mark.parametrize(
    "others, code, read",
    [
        pytest.param(0, "rate_limited", [0, 10_000, 20_000], id="one's own: nothing more is read"),
        pytest.param(85_000, "overloaded", [85_000, 95_000, *[85_000] * 6], id="all's: the rest is dropped"),
    ],
)
async def test_whoever_has_no_room_is_told_so_and_nothing_of_theirs_is_kept(
    others: int, code: str, read: list[int]
) -> None:
    budget, left, kept = Budget(100_000), [PIECE] * 8, []
    budget.hold("others", "upload").note(others)

    async def receive() -> Message:
        kept.append(budget.held_bytes)
        return {"type": "http.request", "body": left.pop(), "more_body": bool(left)}

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await read_bytes(receive)

    with pytest.raises(Refusal) as caught:
        await BodyLimit(endpoint, budget, bytes_max=2**20)(dict(SCOPE), receive, nothing_is_sent)
    assert (caught.value.code, caught.value.headers) == (code, {"Connection": "close"} if left else {})
    assert (kept, budget.held_bytes) == (read, others)


async def test_a_refused_sender_that_pauses_is_told_soon_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "_LINGER_S", 0.01)
    for budget, code in ((Budget(0), "rate_limited"), (full(2**20), "overloaded")):
        found = await refusal([PIECE * 2, PIECE], bytes_max=2**20, ends=False, budget=budget)
        assert (found.code, found.headers) == (code, {"Connection": "close"})


def full(bytes_max: int) -> Budget:
    budget = Budget(bytes_max)
    budget.hold("others", "body").note(bytes_max)
    return budget


SCOPE: Scope = {"type": "http", "headers": [], "client": ("192.0.2.1", 1)}


async def nothing_is_sent(message: Message) -> None:
    raise AssertionError("nothing is sent")


async def test_a_route_that_takes_less_says_so() -> None:
    assert await read([b"12345"], b"5", route_max=5) == b"12345"
    refused = await refusal([], b"6", route_max=5)
    assert (refused.code, refused.detail) == ("body_too_large", "A body has at most 5 bytes")
    assert (await refusal([b"123", b"456"], route_max=5)).code == "body_too_large"
    assert (await refusal([], b"11", route_max=50)).code == "body_too_large"  # none takes more than the process

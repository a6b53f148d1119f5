from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from apps.cli.client import ApiError, Client, Event

PROBLEM = {"status": 422, "code": "validation_failed", "detail": "There is no kind 'x'"}


def client(*replies: httpx.Response | Exception) -> tuple[Client, list[httpx.Request]]:
    """A client whose calls get these replies, in turn; and what it asked."""
    asked: list[httpx.Request] = []
    left = list(replies)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        reply = left.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    http = httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(answer))
    return Client(http), asked


def stream(text: str, *, cut: bool = False) -> httpx.Response:
    async def parts() -> AsyncIterator[bytes]:
        for line in text.splitlines(keepends=True):
            yield line.encode()
        if cut:
            raise httpx.ReadError("cut")

    return httpx.Response(200, content=parts())


async def test_events_are_read_and_comments_passed_over() -> None:
    comment = ": hello\nretry: 3000\n\n"
    progress = 'id: 1-0\nevent: progress\ndata: {"fraction":\ndata: 0.5}\n\n'
    api, _ = client(stream(comment + progress + "event:done\ndata:{}\n\n"))
    assert [event async for event in api.follow("job_1")] == [
        Event("1-0", "progress", {"fraction": 0.5}),
        Event("", "done", {}),
    ]


async def test_a_stream_that_breaks_is_taken_up_where_it_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.cli.client._RECONNECT_S", 0)
    api, asked = client(
        stream("id: 1-0\nevent: status\ndata: {}\n\nid: 2-0\nevent: half", cut=True),
        httpx.ConnectError("away"),
        stream("id: 3-0\nevent: done\ndata: {}\n\n"),
    )
    assert [event.id async for event in api.follow("job_1")] == ["1-0", "3-0"]
    assert [request.headers.get("Last-Event-ID") for request in asked] == [None, "1-0", "1-0"]


async def test_a_stream_that_never_comes_back_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.cli.client._RECONNECT_S", 0)
    api, _ = client(*[httpx.ConnectError("away")] * 100)
    with pytest.raises(ApiError, match="does not answer any more"):
        _ = [event async for event in api.follow("job_1")]


async def test_a_job_whose_end_was_seen_has_no_more_events() -> None:
    api, _ = client(httpx.Response(204))
    assert [event async for event in api.follow("job_1")] == []


async def test_a_refusal_is_told_in_its_own_words() -> None:
    api, _ = client(httpx.Response(422, json=PROBLEM))
    with pytest.raises(ApiError, match="422 validation_failed: There is no kind 'x'"):
        await api.submit("x", {})


@pytest.mark.parametrize("body", ["<html>", "[]", '{"status": 502}', "null"])
async def test_an_answer_that_is_no_problem_document_is_told_by_its_status(body: str) -> None:
    api, _ = client(httpx.Response(502, text=body))
    with pytest.raises(ApiError, match="502 from http://api/api/v1/jobs/job_1"):
        await api.job("job_1")


async def test_an_api_that_is_away_is_one_line() -> None:
    api, _ = client(httpx.ConnectError("Connection refused"))
    with pytest.raises(ApiError, match="http://api does not answer: Connection refused"):
        await api.upload(Path(__file__))

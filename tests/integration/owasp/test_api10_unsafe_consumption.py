"""API10:2023 Unsafe consumption of APIs.

What we consume: ComfyUI, vision providers, files that callers name. Proven elsewhere: garbage, hangs, drips and lies of
ComfyUI (libs/backends/comfyui), of providers (libs/backends/vision), of servers with files
(libs/egress/test_what_comes_back.py); errors of backends in jobs (apps/worker/test_backend_errors.py); children that
read files under limits (libs/backends/ocr/test_harm.py). Here: text that a backend hands over reaches users as data,
never as a header, a path or markup.
"""

from __future__ import annotations

import pytest

from tests.fakes.api import Api
from tests.fakes.customers import JOBS, customer_of
from tests.fakes.hands import end, start

NASTY = "</script><script>alert(1)</script>\r\nSet-Cookie: a=b\x00\u202e../../etc/passwd"


@pytest.mark.parametrize("ending", ["succeed", "fail"])
async def test_a_backends_words_are_data(api: Api, ending: str) -> None:
    someone, store = await customer_of(api), api.resources.store
    job_id = (await someone.job())["id"]
    claimed = await start(store)
    if ending == "succeed":
        await end(store, claimed, "succeed", output={"text": NASTY})
    else:
        await end(store, claimed, "fail", error={"code": "backend_failed", "detail": NASTY})
    for path in (f"{JOBS}/{job_id}", JOBS):
        answer = await someone.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert "set-cookie" not in answer.headers
        assert b"\r\n" not in answer.content
    assert NASTY in flat(await someone.look(job_id))


def flat(value: object) -> str:
    """All the text of a JSON value."""
    if isinstance(value, dict):
        return " ".join(map(flat, value.values()))
    return " ".join(map(flat, value)) if isinstance(value, list) else str(value)

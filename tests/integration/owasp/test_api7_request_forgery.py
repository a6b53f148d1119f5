"""API7:2023 Server side request forgery.

Proven elsewhere: the guard itself, with its vectors, a rebinding resolver, redirects and a canary that nobody reaches
(libs/egress/test_where_it_goes.py, unit/libs/egress); a whole system whose redirects lead inside (apps/test_detect.py).
Here: every order that may name an address refuses one of the inside before it is a job, and does not say what is there.
"""

from __future__ import annotations

import pytest

from tests.fakes.api import Api
from tests.fakes.customers import JOBS, customer_of
from tests.fakes.problems import refused
from tests.fakes.web_server import answer, web_server

INSIDE = (
    "http://127.0.0.1/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://10.1.2.3:6379/",
    "https://100.64.0.1/",
    "https://[64:ff9b::7f00:1]/",
    "https://user:pass@10.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
)


@pytest.mark.parametrize("address", INSIDE)
async def test_an_address_inside_is_refused_before_it_is_a_job(api: Api, address: str) -> None:
    someone = await customer_of(api)
    for path, body in (
        ("/api/v1/detect", {"image_url": address}),
        (JOBS, {"kind": "detect", "input": {"image_url": address}}),
    ):
        assert (await someone.post(path, body)).status_code == 422
    assert (await someone.get(JOBS)).json()["data"] == []


async def test_a_refusal_does_not_tell_what_listens_there(api: Api) -> None:
    someone = await customer_of(api)
    async with web_server(lambda _asked: answer(200, b"inside")) as inside:
        told = []
        for port in (inside.port, 1):
            body = {"image_url": f"https://127.0.0.1:{port}/"}
            problem = (await someone.post("/api/v1/detect", body)).json()
            told.append((problem["code"], problem["detail"].replace(str(port), "")))
        assert told[0] == told[1]
        assert inside.connections == 0


async def test_no_header_makes_us_ask_elsewhere(api: Api) -> None:
    someone = await customer_of(api)
    answered = await someone.get("/api/v1/nowhere", x_original_url="http://127.0.0.1/", x_rewrite_url="/ping")
    refused(answered, 404, "not_found")

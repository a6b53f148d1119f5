"""`detect` through the whole system: API, worker, guard, providers. Callers wait and get the text."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.fakes.vision_providers import FakeProvider, vision_provider
from tests.fakes.web_server import Answer, Asked, WebServer, answer, web_server
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt
from tests.system import System, running_system


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (200, 100), "white").save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True)
class Site:
    """A running system, and what is outside of it. The pictures are where the operator allows, the canary is not."""

    system: System
    gemini: FakeProvider
    mistral: FakeProvider
    pictures: WebServer
    canary: WebServer
    http: httpx.AsyncClient

    async def detect(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        return await self.http.post("/api/v1/detect", json=body, headers=headers)

    async def finished(self, body: dict[str, Any]) -> dict[str, Any]:
        """The job, which ended while the caller waited."""
        answered = await self.detect(body)
        assert answered.status_code == 200, answered.text
        job: dict[str, Any] = answered.json()
        return job


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    def picture(asked: Asked) -> Answer:
        leads = {"/a.png": answer(200, png()), "/inside": answer(302, Location=canary.url)}
        return leads.get(asked.path, answer(404))

    async with (
        vision_provider("gemini") as gemini,
        vision_provider("mistral") as mistral,
        web_server(picture) as pictures,
        web_server(lambda _asked: answer(200, png())) as canary,
    ):
        environment = {
            "OCR_ENABLED": "false",
            "GEMINI_API_KEY": gemini.api_key,
            "GEMINI_URL": gemini.url,
            "GEMINI_MODEL": gemini.model,
            "MISTRAL_API_KEY": mistral.api_key,
            "MISTRAL_URL": mistral.url,
            "MISTRAL_MODEL": mistral.model,
            "MAX_RETRIES": "1",
            "CIRCUIT_BREAKER_THRESHOLD": "100",
            "EGRESS_ALLOWED_HOSTS": f"127.0.0.1:{pictures.port}",
            "LOG_LEVEL": "DEBUG",
        }
        with running_system(tmp_path_factory.mktemp("a site"), environment=environment) as system:
            headers = {"Authorization": f"Bearer {system.mint_api_key()}"}
            async with httpx.AsyncClient(base_url=system.url, headers=headers, timeout=70) as http:
                yield Site(system, gemini, mistral, pictures, canary, http)


async def test_who_names_an_address_waits_and_gets_the_text(site: Site, prompt: Prompt) -> None:
    with prompt(5):
        job = await site.finished({"image_url": site.pictures.url + "/a.png"})
    assert (job["status"], job["kind"], job["usage"]["units"]) == ("succeeded", "detect", 1)
    assert job["output"]["text"] == "Hello\nworld"
    assert [region["text"] for region in job["output"]["regions"]] == ["Hello", "world"]
    assert (job["output"]["provider"], job["output"]["width"]) == ("gemini", 200)


async def test_who_sends_an_image_gets_the_text(site: Site) -> None:
    job = await site.finished({"image": base64.b64encode(png()).decode(), "regions": False})
    assert (job["status"], job["output"]["text"], job["output"]["regions"]) == ("succeeded", "Hello\nworld", [])
    assert site.gemini.pictures[-1] == png()


async def test_when_the_first_provider_fails_the_next_one_answers(site: Site) -> None:
    site.gemini.faults.append("500")
    job = await site.finished({"image_url": site.pictures.url + "/a.png"})
    assert job["output"]["provider"] == "mistral"


async def test_a_job_tries_as_often_as_the_operator_said(site: Site) -> None:
    site.gemini.always = site.mistral.always = "500"
    asked = len(site.mistral.asked)
    try:
        job = await site.finished({"image_url": site.pictures.url + "/a.png"})
    finally:
        site.gemini.always = site.mistral.always = None
    assert (job["status"], job["error"]["code"]) == ("failed", "vision_failed")
    assert len(site.mistral.asked) - asked == 2


async def test_an_address_inside_is_never_reached(site: Site) -> None:
    assert (await site.detect({"image_url": site.canary.url})).status_code == 422
    job = await site.finished({"image_url": site.pictures.url + "/inside"})
    assert (job["status"], job["error"]["code"]) == ("failed", "url_not_allowed")
    assert site.canary.connections == 0


async def test_who_does_not_want_to_wait_does_not(site: Site) -> None:
    answered = await site.detect({"image_url": site.pictures.url + "/a.png"}, Prefer="respond-async")
    assert answered.status_code == 202
    followed = await site.http.get(answered.headers["location"] + "/events")  # until it is over: others count requests
    assert "event: done" in followed.text


async def test_who_sends_many_images_waits_and_gets_the_text_of_each_in_its_place(site: Site) -> None:
    address = site.pictures.url + "/a.png"
    images = [address, {"image_url": site.pictures.url + "/none.png"}, base64.b64encode(png()).decode(), address]
    answered = await site.http.post("/api/v1/batch", json={"images": images})
    assert answered.status_code == 200, answered.text
    found, batch = answered.json()["data"], answered.json()["batch"]
    assert [item["status"] for item in found] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert found[0]["output"]["text"] == "Hello\nworld"
    assert found[1]["error"]["code"].startswith("url_")
    assert {name: count for name, count in batch["counts"].items() if count} == {"succeeded": 3, "failed": 1}
    results = await site.http.get(batch["links"]["results"])
    async with asyncio.timeout(PATIENCE_S):
        while results.status_code == 409:  # the file is written by a worker, a moment after the last item has ended
            await asyncio.sleep(0.05)
            results = await site.http.get(batch["links"]["results"])
    async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
        lines = (await outside.get(results.headers["location"])).text.splitlines()
    assert [json.loads(line) for line in lines] == found


async def test_no_log_has_a_key_or_an_image_in_it(site: Site) -> None:
    image = base64.b64encode(png()).decode()
    site.gemini.faults.append("401")
    await site.finished({"image": image})
    logs = "".join(path.read_text() for path in (site.system.data).rglob("*.log"))
    assert '"message":"gemini answers with status 401' in logs.replace('": "', '":"')
    assert not [secret for secret in (site.gemini.api_key, site.mistral.api_key, image[:60]) if secret in logs]

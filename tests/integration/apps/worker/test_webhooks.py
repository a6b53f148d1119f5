"""Webhooks on the whole way: an API, a courier, receivers of our own, and jobs moved by hand."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from anyio import to_thread
from standardwebhooks import Webhook, WebhookVerificationError

from apps.worker import deliver
from apps.worker.deliver import Courier
from apps.worker.messages import Messages
from libs.egress import Egress, Rules
from libs.metrics import Metrics
from libs.webhooks.schedule import Schedule
from libs.webhooks.secrets import decode_secret
from libs.webhooks.signature import sign
from tests.fakes.api import Api
from tests.fakes.customers import COMPARED, COMPARISONS, JOBS, PICTURE, Customer, customer_of
from tests.fakes.hands import end, start
from tests.fakes.parts import need_program
from tests.fakes.problems import refused
from tests.fakes.web_server import Answer, Asked, WebServer, answer, drip, hang, web_server
from tests.integration.apps.conftest import MakeApi
from tests.integration.libs.egress.guarding import TLS
from tests.patience import PATIENCE_S

HOOKS = "/api/v1/webhooks"
QUICK = Schedule((0.0, 0.02, 0.05), jitter=0.0)


@pytest.fixture
async def api(make_api: MakeApi) -> Api:
    return await make_api(egress_allowed_hosts="127.0.0.1")


@asynccontextmanager
async def courier(api: Api, *, schedule: Schedule = QUICK, post_s: float = 5.0, **more: Any) -> AsyncIterator[Courier]:
    resources = api.resources
    egress = Egress(Rules.of(hosts=("127.0.0.1",)), tls=TLS, post_s=post_s)
    messages = Messages(resources.store, resources.records, resources.objects, resources.webhook_secrets)
    given: dict[str, Any] = {"slots": 8, "schedule": schedule, "lease_s": 5.0} | more
    one = Courier(resources.store, messages, egress, Metrics(), **given)
    task = asyncio.create_task(one.keep_delivering())
    try:
        yield one
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await one.stop(0.1)


async def until(holds: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    deadline = time.monotonic() + within_s
    while True:
        found = holds()
        found = await found if asyncio.iscoroutine(found) else found
        if found:
            return found
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


async def endpoint(someone: Customer, server: WebServer, **more: Any) -> dict[str, Any]:
    made = await someone.post(HOOKS, {"url": f"{server.url}/hook", **more})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def log_of(someone: Customer, hook: str) -> list[dict[str, Any]]:
    return list((await someone.get(f"{HOOKS}/{hook}/deliveries")).json()["data"])


async def done(api: Api, someone: Customer, **more: Any) -> dict[str, Any]:
    job = await someone.job({"kind": "generate", "input": PICTURE, **more})
    await end(api.resources.store, await start(api.resources.store))
    return job


def signed_by(asked: Asked, secret: str) -> bool:
    headers = asked.headers
    wanted = sign(decode_secret(secret), headers["webhook-id"], int(headers["webhook-timestamp"]), asked.body)
    return wanted in headers["webhook-signature"].split(" ")


async def test_an_endpoint_is_told_of_a_job_as_the_api_shows_it(api: Api) -> None:
    someone = await customer_of(api)
    async with web_server(lambda _: answer()) as server, courier(api):
        hook = await endpoint(someone, server, bearer_token="for-the-receiver")
        job = await done(api, someone)
        await until(lambda: server.asked)
        (told,) = server.asked
        body = orjson.loads(told.body)
        shown = (await someone.get(f"{JOBS}/{job['id']}")).json()
    assert (body["type"], body["data"].pop("sequence")) == ("job.succeeded", 2)
    assert body["data"] == shown
    assert told.headers["authorization"] == "Bearer for-the-receiver"
    assert told.headers["content-type"] == "application/json"
    assert signed_by(told, hook["secret"])
    (entry,) = await log_of(someone, hook["id"])
    assert (entry["id"], entry["status"], entry["attempts"][0]["status"]) == (
        told.headers["webhook-id"],
        "delivered",
        200,
    )
    assert "for-the-receiver" not in (await someone.get(f"{HOOKS}/{hook['id']}")).text


async def test_a_job_may_name_a_webhook_and_its_events_itself(api: Api) -> None:
    someone = await customer_of(api)
    async with web_server(lambda _: answer()) as server, courier(api):
        secret = (await someone.get(f"{HOOKS}/default/secret")).json()["secret"]
        wanted = {
            "url": server.url + "/mine",
            "events": ["job.queued", "job.running", "job.succeeded"],
            "bearer_token": "t",
        }
        job = await done(api, someone, webhook=wanted)
        await until(lambda: len(server.asked) == 3)
        again = await someone.post(f"{JOBS}/{job['id']}/retry")
        await until(lambda: len(server.asked) == 4)
        log = await log_of(someone, "default")
    bodies = [orjson.loads(told.body) for told in server.asked]
    by_sequence = sorted(bodies[:3], key=lambda body: body["data"]["sequence"])
    assert [body["type"] for body in by_sequence] == ["job.queued", "job.running", "job.succeeded"]
    assert bodies[3]["data"]["id"] == again.json()["id"]
    assert {told.headers["authorization"] for told in server.asked} == {"Bearer t"}
    assert all(signed_by(told, secret) for told in server.asked)
    assert [each["status"] for each in log] == ["delivered"] * 4


async def test_the_webhook_of_a_comparison_is_told_of_each_of_its_jobs(api: Api) -> None:
    someone = await customer_of(api)
    async with web_server(lambda _: answer()) as server, courier(api):
        webhook = {"url": server.url, "events": ["job.queued"]}
        compared = (await someone.post(COMPARISONS, {**COMPARED, "webhook": webhook})).json()
        await until(lambda: len(server.asked) == 2)
    told = {orjson.loads(asked.body)["data"]["id"] for asked in server.asked}
    assert told == {variant["job_id"] for variant in compared["variants"]}


async def test_a_delivery_is_tried_to_the_schedules_end_under_one_id(api: Api) -> None:
    someone = await customer_of(api)
    async with web_server(lambda _: answer(500)) as server, courier(api):
        hook = await endpoint(someone, server)
        await done(api, someone)
        shown = await until(lambda: _disabled(someone, hook["id"]))
        assert shown["disabled_reason"] == "failing"
        (entry,) = await log_of(someone, hook["id"])
        assert (entry["status"], [each["status"] for each in entry["attempts"]]) == ("failed", [500] * 3)
        assert len({told.headers["webhook-id"] for told in server.asked}) == 1
        await done(api, someone)
        server.tell = lambda _: answer(204)
        await someone.patch(f"{HOOKS}/{hook['id']}", {"enabled": True})
        again = await someone.post(f"{HOOKS}/{hook['id']}/deliveries/{entry['id']}/redeliver")
        assert (again.status_code, again.json()["status"]) == (202, "pending")
        await until(lambda: _delivered(someone, hook["id"]))
    assert [told.headers["webhook-id"] for told in server.asked] == [
        entry["id"]
    ] * 4  # nothing of while it was disabled


async def _disabled(someone: Customer, hook: str) -> Any:
    shown = (await someone.get(f"{HOOKS}/{hook}")).json()
    return None if shown["enabled"] else shown


async def _delivered(someone: Customer, hook: str) -> bool:
    return all(each["status"] == "delivered" for each in await log_of(someone, hook))


async def test_410_disables_and_a_redirect_is_not_followed(api: Api) -> None:
    someone = await customer_of(api)
    tell: list[Answer] = [answer(410)]
    async with web_server(lambda _: tell[0]) as server, courier(api):
        hook = await endpoint(someone, server)
        assert (await someone.post(f"{HOOKS}/{hook['id']}/ping")).status_code == 202
        shown = await until(lambda: _disabled(someone, hook["id"]))
        assert shown["disabled_reason"] == "gone"
        refused(await someone.post(f"{HOOKS}/{hook['id']}/ping"), 409, "conflict")
        tell[0] = answer(302, Location="http://10.0.0.1/")
        await someone.patch(f"{HOOKS}/{hook['id']}", {"enabled": True})
        await someone.post(f"{HOOKS}/{hook['id']}/ping")
        await until(lambda: len(server.asked) == 4)
        await until(lambda: _disabled(someone, hook["id"]))
        assert [each["status"] for each in (await log_of(someone, hook["id"]))[0]["attempts"]] == [302] * 3


async def test_both_secrets_sign_after_a_rotation(api: Api) -> None:
    someone = await customer_of(api)
    async with web_server(lambda _: answer()) as server, courier(api):
        hook = await endpoint(someone, server)
        rotated = (await someone.post(f"{HOOKS}/{hook['id']}/rotate")).json()
        await someone.post(f"{HOOKS}/{hook['id']}/ping")
        await until(lambda: server.asked)
    assert hook["secret"] != rotated["secret"]
    assert signed_by(server.asked[0], hook["secret"])
    assert signed_by(server.asked[0], rotated["secret"])
    assert len(server.asked[0].headers["webhook-signature"].split(" ")) == 2


async def test_the_reference_library_takes_what_we_sign_and_nothing_else(api: Api) -> None:
    someone = await customer_of(api)
    async with web_server(lambda _: answer()) as server, courier(api):
        hook = await endpoint(someone, server)
        stranger = await endpoint(someone, server)
        rotated = (await someone.post(f"{HOOKS}/{hook['id']}/rotate")).json()
        await someone.post(f"{HOOKS}/{hook['id']}/ping")
        await until(lambda: server.asked)
    told, headers = server.asked[0].body.decode(), dict(server.asked[0].headers)
    for secret in (hook["secret"], rotated["secret"]):
        assert Webhook(secret).verify(told, headers)["type"] == "webhook.ping"
        for forged in (told + " ", told.replace("ping", "pong")):
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(forged, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(told, headers | {"webhook-id": "msg_01jd3f8x5e0000000000000000"})
    with pytest.raises(WebhookVerificationError):
        Webhook(stranger["secret"]).verify(told, headers)


async def test_what_cannot_be_made_keeps_to_the_schedule_and_blames_nobody(api: Api) -> None:
    someone = await customer_of(api)
    async with web_server(lambda _: answer()) as server, courier(api):
        hook = await endpoint(someone, server)
        job = await someone.job({"kind": "generate", "input": PICTURE})
        record = api.resources.store.keys.job + job["id"]
        await api.resources.store.call("HSET", record, "traceparent", "é")  # what no header may hold
        await end(api.resources.store, await start(api.resources.store))
        await until(lambda: _over(someone, hook["id"]))
        (entry,) = await log_of(someone, hook["id"])
        shown = (await someone.get(f"{HOOKS}/{hook['id']}")).json()
    assert [each["error"] for each in entry["attempts"]] == ["internal"] * 3
    assert (shown["enabled"], shown["failing_since"], server.connections) == (True, None, 0)


async def _over(someone: Customer, hook: str) -> bool:
    log = await log_of(someone, hook)
    return bool(log) and all(each["status"] != "pending" for each in log)


async def test_receivers_that_hang_and_drip_slow_nobody_else(api: Api) -> None:
    someone, other = await customer_of(api), await customer_of(api)
    async with (
        web_server(lambda _: hang()) as hanging,
        web_server(lambda _: drip()) as dripping,
        web_server(lambda _: answer()) as well,
        courier(api, slots=12, schedule=Schedule((0, 30.0), jitter=0), post_s=60.0),
    ):
        for server in (hanging, dripping):
            hook = await endpoint(someone, server)
            for _ in range(20):
                await someone.post(f"{HOOKS}/{hook['id']}/ping")
        await until(lambda: len(hanging.asked) == len(dripping.asked) == 4)  # no more of one receiver
        hook = await endpoint(other, well)
        for _ in range(20):
            await other.post(f"{HOOKS}/{hook['id']}/ping")
        await until(lambda: len(well.asked) == 20)
        assert len(hanging.asked) == len(dripping.asked) == 4


async def test_a_courier_that_dies_loses_nothing_and_keeps_the_id(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    someone = await customer_of(api)
    async with web_server(lambda _: hang()) as server:
        hook = await endpoint(someone, server)
        with monkeypatch.context() as patch:
            patch.setattr(deliver, "finish", _never)  # as after kill -9: nobody ends the delivery
            async with courier(api, lease_s=0.3, post_s=60.0):
                await done(api, someone)
                await until(lambda: server.asked)
        server.tell = lambda _: answer()
        async with courier(api):
            await until(lambda: _delivered(someone, hook["id"]))
    assert len(server.asked) == 2
    assert len({told.headers["webhook-id"] for told in server.asked}) == 1


async def _never(*_: Any) -> str:
    return "fenced"


HOW_TO = (Path(__file__).parents[4] / "docs" / "how-to" / "receive-webhooks.md").read_text()
VERIFIERS = dict(re.findall(r"```(python|javascript|sh)\n(.+?)```", HOW_TO, re.DOTALL))


@pytest.mark.parametrize("language", ["python", "javascript", "sh"])
async def test_the_code_of_the_how_to_tells_genuine_from_forged(api: Api, language: str, tmp_path: Path) -> None:
    someone = await customer_of(api)
    async with web_server(lambda _: answer()) as server, courier(api):
        hook = await endpoint(someone, server)
        await done(api, someone)
        await until(lambda: server.asked)
        told, check = server.asked[0], CHECKS[language]
        old = {**told.headers, "webhook-timestamp": "1614265330"}
        assert await to_thread.run_sync(check, tmp_path, told.headers, told.body, hook["secret"], server.url)
        assert not await to_thread.run_sync(check, tmp_path, told.headers, told.body + b" ", hook["secret"], server.url)
        assert not await to_thread.run_sync(check, tmp_path, told.headers, told.body, "whsec_" + "A" * 44, server.url)
        assert not await to_thread.run_sync(check, tmp_path, old, told.body, hook["secret"], server.url)


def _python(_folder: Path, headers: Mapping[str, str], body: bytes, secret: str, _url: str) -> bool:
    names: dict[str, Any] = {}
    exec(compile(VERIFIERS["python"], "receive-webhooks.md", "exec"), names)
    return bool(names["verify"](headers, body, secret))


def _node(folder: Path, headers: Mapping[str, str], body: bytes, secret: str, _url: str) -> bool:
    node = need_program("node", how="apt-get install nodejs")
    given = json.dumps({"headers": dict(headers), "body": body.decode(), "secret": secret})
    call = "const g = JSON.parse(process.argv[2]); console.log(verify(g.headers, Buffer.from(g.body), g.secret));"
    (folder / "verify.js").write_text(f"{VERIFIERS['javascript']}\n{call}\n")
    told = subprocess.run([node, folder / "verify.js", given], capture_output=True, text=True, check=True)
    return told.stdout == "true\n"


def _shell(folder: Path, headers: Mapping[str, str], body: bytes, secret: str, url: str) -> bool:
    for name in ("openssl", "curl"):
        need_program(name, how=f"apt-get install {name}")
    (folder / "body.json").write_bytes(body)
    signed = {name: headers[f"webhook-{name.lower()}"] for name in ("ID", "TIMESTAMP", "SIGNATURE")}
    environment = {"PATH": os.environ["PATH"], "SECRET": secret, "URL": url, **signed}
    command = ["sh", "-eu", "-c", VERIFIERS["sh"]]
    told = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    verdict, status = told.stdout.splitlines()
    assert status == "200"
    return verdict == "genuine"


CHECKS = {"python": _python, "javascript": _node, "sh": _shell}

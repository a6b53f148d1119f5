"""What is told of the backends, their breakers and their providers' limits."""

from __future__ import annotations

from contextlib import suppress

from libs.errors import Unavailable
from tests.fakes.api import Api, bearer
from tests.integration.apps.api.conftest import MakeApi

ALIAS = "/api/replicate-rate-limiter/stats"
RESTING = {
    "status": "healthy",
    "rateLimiter": {"queueLength": 0, "requestsInLastMinute": 0, "maxRPM": 450, "rpmUsagePercent": 0.0},
    "health": {"queueHealthy": True, "rpmHealthy": True},
}


async def test_the_former_optimisers_statistics_live_on_at_their_address(api: Api) -> None:
    answer = await api.http.get(ALIAS, headers=bearer(await api.key()))
    assert (answer.status_code, answer.json()) == (200, RESTING)


async def test_the_statistics_are_those_of_the_limiter_that_the_workers_use(make_api: MakeApi) -> None:
    api = await make_api(replicate_rpm=60)
    limiter = api.resources.backends["replicate"].limiter(api.resources.store, "create")
    headers = bearer(await api.key())
    async with limiter.slot(deadline_s=0) as slot:
        told = (await api.http.get(ALIAS, headers=headers)).json()
        assert told["rateLimiter"] == {
            "queueLength": 0, "requestsInLastMinute": 1, "maxRPM": 60, "rpmUsagePercent": 1.7
        }  # fmt: skip
        await slot.refuse(30)
    told = (await api.http.get(ALIAS, headers=headers)).json()
    assert (told["status"], told["health"]["rpmHealthy"]) == ("critical", False)


async def test_creations_and_reads_are_told_apart(api: Api) -> None:
    answer = await api.http.get("/api/v1/backends/replicate/limiter", headers=bearer(await api.key()))
    body = answer.json()
    assert body.pop("backend") == "replicate"
    limiters = body.pop("limiters")
    assert body == limiters["create"] == RESTING
    assert limiters["read"]["rateLimiter"]["maxRPM"] == 3_000


async def test_a_backend_without_a_limit_and_one_that_is_none_are_not_found(api: Api) -> None:
    for name in ("comfyui", "nothing"):
        answer = await api.http.get(f"/api/v1/backends/{name}/limiter", headers=bearer(await api.key()))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_every_backend_is_listed_with_its_breaker(make_api: MakeApi) -> None:
    api = await make_api(comfyui_url="http://127.0.0.1:1", circuit_breaker_threshold=1)
    breaker = api.resources.backends["comfyui"].breaker(api.resources.store)
    with suppress(Unavailable):
        async with breaker.guard():
            raise Unavailable("comfyui")
    answer = await api.http.get("/api/v1/backends", headers=bearer(await api.key()))
    told = {backend.pop("name"): backend for backend in answer.json()["data"]}
    assert set(told) == set(api.resources.backends)
    (server,) = told["comfyui"].pop("servers")
    assert told["comfyui"] == {"protocol": "comfyui", "configured": True, "breaker": "open", "limiters": []}
    assert (server["name"], server["state"], server["slots"], server["busy"]) == ("comfyui", "away", 1, 0)
    assert told["replicate"] == {
        "protocol": "prediction",
        "configured": False,
        "breaker": "closed",
        "limiters": ["create", "read"],
        "servers": [],
    }


async def test_a_fleet_is_spoken_to_while_one_of_its_servers_is_and_no_address_is_told(make_api: MakeApi) -> None:
    api = await make_api(comfyui_url="http://secret-a:1,http://secret-b:1")
    store = api.resources.store
    await store.call("HSET", store.keys.breaker + "comfyui", "open_until", 9e15)
    await store.call("HSET", store.keys.server + "comfyui-2", "sick", 1_760_000_000_000, "why", "device_fault")
    answer = await api.http.get("/api/v1/backends", headers=bearer(await api.key()))
    (fleet,) = [backend for backend in answer.json()["data"] if backend["name"] == "comfyui"]
    assert [(one["name"], one["state"], one["why"]) for one in fleet["servers"]] == [
        ("comfyui", "away", None),
        ("comfyui-2", "sick", "device_fault"),
    ]
    assert fleet["servers"][1]["since"] == "2025-10-09T08:53:20.000Z"
    assert fleet["breaker"] == "closed"
    assert "secret" not in answer.text
    told = (await api.http.get("/metrics")).text.splitlines()
    assert 'arqade_fleet_server{server="comfyui-2",state="sick"} 1.0' in told
    assert 'arqade_fleet_slots{server="comfyui",use="all"} 1.0' in told


async def test_breakers_and_limiters_are_metrics_of_what_is_configured(make_api: MakeApi) -> None:
    api = await make_api(replicate_api_token="r8_0123456789")
    replicate = api.resources.backends["replicate"]
    async with replicate.limiter(api.resources.store, "create").slot(deadline_s=0):
        told = (await api.http.get("/metrics")).text.splitlines()
    assert 'arqade_limiter_requests{limiter="replicate:create",what="used"} 1.0' in told
    assert 'arqade_limiter_requests{limiter="replicate:create",what="allowed"} 450.0' in told
    assert 'arqade_limiter_queued{limiter="replicate:read"} 0.0' in told
    assert 'arqade_backend_breaker{backend="replicate"} 0.0' in told
    assert not [line for line in told if 'backend="comfyui"' in line]


async def test_they_are_told_to_keys_with_the_scope_alone(api: Api) -> None:
    headers = bearer(await api.key(scopes=frozenset({"jobs:read"})))
    for path in ("/api/v1/backends", "/api/v1/backends/replicate/limiter", ALIAS):
        assert (await api.http.get(path, headers=headers)).status_code == 403

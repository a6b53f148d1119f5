"""Whether a server is well, as all workers hear of it."""

from __future__ import annotations

import itertools
from typing import Any

from libs.backends.breaker import Breaker, Rule
from libs.backends.comfyui.schema import read_classes
from libs.backends.configured import ConfiguredServer
from libs.backends.fleet.health import Health, look_at
from libs.backends.fleet.offers import publish_all, publish_server
from libs.embedded.comfyui_standin.nodes import object_info
from libs.errors import Unavailable
from libs.store.client import Store
from tests.fakes.clock import ClockedStore

SERVER = ConfiguredServer("a", "http://a", slots=2)
VERSION = {"comfyui": "0.8.0"}
RULE = Rule(failures_in_a_row=2, open_s=5.0)


async def good() -> dict[str, str]:
    return VERSION


async def bad() -> dict[str, str]:
    raise Unavailable("comfyui")


def health(store: Store, **options: Any) -> Health:
    return Health(store, SERVER, Breaker(store, "a", RULE, part="comfyui"), ["gpu"], **options)


async def state(store: Store) -> str:
    return (await look_at(store, "a")).state


async def bell(store: Store) -> int:
    count: int = await store.call("LLEN", store.keys.bell + "gpu")
    await store.call("DEL", store.keys.bell + "gpu")
    return count


async def test_a_server_that_nobody_heard_of_is_taken_for_well(store: Store) -> None:
    found = await look_at(store, "a")
    assert (found.state, found.since_ms, found.busy, found.offered, found.version) == ("well", None, 0, 0, {})


async def test_calls_and_probes_that_fail_put_it_aside_and_three_good_probes_take_it_back(
    clocked: ClockedStore,
) -> None:
    one = health(clocked)
    assert await one.probe(good) == "well"
    assert await bell(clocked) == SERVER.slots
    await one.heard(good=False)
    assert await one.probe(bad) == "away"
    away = await look_at(clocked, "a")
    assert (away.since_ms, away.version) == (clocked.now_ms, VERSION)
    await clocked.pass_time(7_000)
    assert [await health(clocked).probe(good) for _ in range(3)] == ["away", "away", "well"]
    assert await bell(clocked) == SERVER.slots


async def test_while_it_is_away_nobody_asks_it_and_a_failed_probe_is_waited_out_for_longer(
    clocked: ClockedStore,
) -> None:
    asked = []

    async def ask() -> dict[str, str]:
        asked.append(clocked.now_ms)
        raise Unavailable("comfyui")

    for _ in range(40):
        await health(clocked).probe(ask)
        await clocked.pass_time(1_000)
    gaps = [later - sooner for sooner, later in itertools.pairwise(asked[1:])]
    assert len(gaps) in (2, 3)
    assert gaps == sorted(gaps)
    assert gaps[0] >= 4_000


async def test_a_fault_of_its_device_takes_it_out_until_it_was_well_for_a_while(clocked: ClockedStore) -> None:
    faults: list[str] = []
    one = health(clocked, recovery_s=60, on_fault=lambda server, why: faults.append(f"{server} {why}"))
    await one.probe(good)
    await bell(clocked)
    await one.sideline("device_fault")
    found = await look_at(clocked, "a")
    assert (found.state, found.since_ms, found.why, faults) == (
        "sick",
        clocked.now_ms,
        "device_fault",
        ["a device_fault"],
    )
    assert await one.probe(good) == "sick"
    await clocked.pass_time(59_000)
    assert await one.probe(bad) == "sick"
    assert await one.probe(good) == "sick", "it was not well all the while"
    await clocked.pass_time(59_999)
    assert await one.probe(good) == "sick"
    assert await bell(clocked) == 0
    await clocked.pass_time(1)
    assert await one.probe(good) == "well"
    assert await bell(clocked) == SERVER.slots


async def test_faults_that_follow_on_each_other_keep_it_out_for_longer_and_an_old_one_does_not_count(
    clocked: ClockedStore,
) -> None:
    one = health(clocked, recovery_s=60)
    out_s = []
    for pause_s in (0, 0, 7_200):
        await clocked.pass_time(pause_s * 1_000)
        await one.sideline("device_fault")
        began = clocked.now_ms
        while await one.probe(good) == "sick":
            await clocked.pass_time(5_000)
        out_s.append((clocked.now_ms - began) / 1_000)
    assert out_s == [60, 120, 60]


async def test_what_a_server_offers_is_known_and_news_of_it_ring(store: Store) -> None:
    info = object_info()
    await publish_server(store, SERVER, read_classes(info), ["gpu", "other"])
    assert await bell(store) == SERVER.slots
    known = (await look_at(store, "a")).offered
    assert known > len(info)
    await publish_server(store, SERVER, read_classes(info), ["gpu"])
    assert await bell(store) == 0
    del info["KSampler"]
    await publish_server(store, SERVER, read_classes(info), ["gpu"])
    assert (await look_at(store, "a")).offered == known - 1
    assert await bell(store) == SERVER.slots


async def test_a_server_may_offer_more_than_one_call_can_take(store: Store) -> None:
    info: dict[str, Any] = {f"Class{number}": {} for number in range(20_000)}
    await publish_server(store, SERVER, read_classes(info), ["gpu"])
    assert (await look_at(store, "a")).offered == 20_000


async def test_the_offer_of_the_fleet_is_that_of_the_servers_it_has(store: Store) -> None:
    other = ConfiguredServer("b", "http://b")
    await publish_all(store, "comfyui", [SERVER, other])
    assert await store.call("EXISTS", store.keys.catalogue + "comfyui") == 0, "nothing is known yet"
    await publish_server(store, SERVER, read_classes({"A": {}}), [])
    await publish_server(store, other, read_classes({"B": {}}), [])
    await publish_all(store, "comfyui", [SERVER, other])
    both = await store.call("GET", store.keys.catalogue + "comfyui")
    assert b'"node_classes":["A","B"]' in both
    await publish_all(store, "comfyui", [other])
    assert b'"node_classes":["B"]' in await store.call("GET", store.keys.catalogue + "comfyui")

"""A job that needs a server of the fleet is claimed with a slot there, or left where it is."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from libs.backends.fleet.needs import Needs
from libs.jobs.lifecycle import Claim, Ending, Held, cancel, claim, finish, renew, report
from libs.jobs.status import FINISHED
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.fakes.clock import ClockedStore

ANY = Needs.of().stored
LEASE_S = 30.0
#: How long a slot is kept beyond the lease, as in slots.lua.
KEPT_MS = 60_000
#: As in gate.lua.
LOOK_MAX = 200

CALLER = make_caller(slots=300)


def needs(*files: str) -> str:
    return Needs.of(files=files).stored


async def put(store: Store, *wanted: str, **members: Any) -> list[str]:
    """Jobs with these needs, in this order; an empty one needs no server."""
    return [(await submit(store, CALLER, queue="gpu", needs=each, **members)).job_id for each in wanted]


async def take(store: Store, servers: Mapping[str, int], n: int = 10, worker: str = "w1") -> list[Claim]:
    return list((await claim(store, worker, ["gpu"], n, LEASE_S, servers=servers)).jobs)


async def offer(store: Store, server: str, *files: str) -> None:
    """What a server offers; without any it is known to offer nothing that a job names."""
    digests = Needs.of(files=files).digests or ("nothing",)
    await store.call("SADD", store.keys.offers + server, *digests)


async def submitted(store: Store, claimed: Claim) -> None:
    told = {"backend": claimed.server, "ref": f"prompt of {claimed.job_id}", "number": 1}
    await report(store, claimed.job_id, claimed.fence, member="submission", value=told)


async def holders(store: Store, server: str) -> set[str]:
    return {word.decode() for word in await store.call("ZRANGE", store.keys.slots + server, 0, -1)}


async def rings(store: Store) -> int:
    """How many tokens hang at the bell; they are taken down."""
    count: int = await store.call("LLEN", store.keys.bell + "gpu")
    await store.call("DEL", store.keys.bell + "gpu")
    return count


async def test_jobs_spread_over_the_servers_by_load_and_never_past_their_slots(store: Store) -> None:
    ids = await put(store, *[ANY] * 6)
    claims = await take(store, {"a": 1, "b": 4})
    assert [claimed.job_id for claimed in claims] == ids[:5]
    assert Counter(claimed.server for claimed in claims) == {"a": 1, "b": 4}
    assert {claimed.server for claimed in claims[:2]} == {"a", "b"}
    assert await take(store, {"a": 1, "b": 4}, worker="w2") == []


async def test_a_freed_slot_rings_and_goes_to_the_job_that_waited_first(store: Store) -> None:
    first, second, _ = await put(store, ANY, ANY, ANY)
    (claimed,) = await take(store, {"a": 1})
    assert await take(store, {"a": 1}) == []
    await rings(store)
    for _ in range(2):  # an ending may be sent again
        await finish(store, first, claimed.fence, "succeed")
    assert await rings(store) == 1
    assert [again.job_id for again in await take(store, {"a": 1})] == [second]
    assert await holders(store, "a") == {second}


async def test_a_job_that_no_server_can_take_holds_up_nobody_and_keeps_its_place(store: Store) -> None:
    blocked = await put(store, needs("rare.ckpt"), needs("rare.ckpt"))
    free = await put(store, "", needs("usual.ckpt"))
    await offer(store, "a", "usual.ckpt")
    assert {claimed.job_id: claimed.server for claimed in await take(store, {"a": 2})} == {free[0]: "", free[1]: "a"}
    assert await rings(store) <= 4
    assert await take(store, {"a": 2}) == []
    assert await rings(store) == 0, "a claim that finds nothing wakes nobody"
    await offer(store, "b", "rare.ckpt")
    late = await put(store, needs("rare.ckpt"))
    claims = await take(store, {"a": 2, "b": 3})
    assert [(claimed.job_id, claimed.server) for claimed in claims] == [(one, "b") for one in (*blocked, *late)]


@pytest.mark.parametrize("ahead, seen", [(LOOK_MAX - 1, True), (LOOK_MAX, False)])
async def test_a_claim_looks_past_so_many_jobs_and_no_further(store: Store, ahead: int, *, seen: bool) -> None:
    await put(store, *[needs("rare.ckpt")] * ahead)
    (behind,) = await put(store, "")
    await offer(store, "a")
    await rings(store)
    assert [claimed.job_id for claimed in await take(store, {"a": 1}, n=1)] == ([behind] if seen else [])
    assert await rings(store) == 0


async def test_one_server_must_have_all_that_a_job_needs(store: Store) -> None:
    await put(store, Needs.of(files=["base.ckpt", "detail.lora"], node_classes=["KSampler"]).stored)
    for server, digests in {
        "a": Needs.of(files=["base.ckpt"], node_classes=["KSampler"]).digests,
        "b": Needs.of(files=["base.ckpt", "detail.lora"]).digests,
    }.items():
        await store.call("SADD", store.keys.offers + server, *digests)
    assert await take(store, {"a": 1, "b": 1}) == []
    assert [claimed.server for claimed in await take(store, {"a": 1, "b": 1, "unknown": 1})] == ["unknown"]


async def test_among_equals_the_one_that_has_the_models_loaded_is_taken_else_turns_are_taken(store: Store) -> None:
    servers = {"a": 1, "b": 1}
    where = []
    for model in ("x", "y", "x", "y", "z", "z"):
        (job_id,) = await put(store, needs(f"{model}.ckpt"))
        (claimed,) = await take(store, servers)
        await finish(store, job_id, claimed.fence, "succeed")
        where.append(claimed.server)
    x, y = where[:2]
    assert x != y
    assert where == [x, y, x, y, x, x]


@pytest.mark.parametrize("key, member", [("server", "sick"), ("breaker", "open_until")])
async def test_a_server_that_is_not_well_is_given_nothing(store: Store, key: str, member: str) -> None:
    await put(store, ANY)
    await store.call("HSET", getattr(store.keys, key) + "a", member, 1)
    assert await take(store, {"a": 1}) == []
    assert [claimed.server for claimed in await take(store, {"a": 1, "b": 1})] == ["b"]


async def test_a_worker_without_a_fleet_leaves_such_jobs_to_others(store: Store) -> None:
    (_, free) = await put(store, ANY, "")
    assert [claimed.job_id for claimed in await take(store, {})] == [free]


@pytest.mark.parametrize("others", [{}, {"b": 1}])
async def test_a_lost_workers_prompt_keeps_its_slot_and_is_resumed_where_it_is(
    clocked: ClockedStore, others: dict[str, int]
) -> None:
    (job_id,) = await put(clocked, ANY, priority=-10)
    (lost,) = await take(clocked, {"a": 1})
    await submitted(clocked, lost)
    (rival,) = await put(clocked, ANY, priority=10)
    await clocked.pass_time(int(LEASE_S * 1000) + 1)
    claims = await take(clocked, {"a": 1, **others}, worker="w2")
    assert {claimed.job_id: claimed.server for claimed in claims}[job_id] == "a"
    assert [claimed.server for claimed in claims if claimed.job_id == rival] == list(others)
    assert await holders(clocked, "a") == {job_id}


async def test_a_worker_lost_before_it_submitted_anything_leaves_no_slot_behind(clocked: ClockedStore) -> None:
    (job_id,) = await put(clocked, ANY)
    await take(clocked, {"a": 1})
    await clocked.pass_time(int(LEASE_S * 1000) + 1)
    assert await take(clocked, {}, worker="w2") == []
    assert await holders(clocked, "a") == set()
    assert [claimed.job_id for claimed in await take(clocked, {"b": 1}, worker="w2")] == [job_id]


async def lose_with_prompt_at(store: ClockedStore, server: str) -> str:
    (job_id,) = await put(store, ANY)
    (lost,) = await take(store, {server: 1})
    await submitted(store, lost)
    await store.pass_time(int(LEASE_S * 1000) + 1)
    return job_id


async def test_a_server_that_is_away_is_waited_for_and_then_left_with_a_stray(clocked: ClockedStore) -> None:
    job_id = await lose_with_prompt_at(clocked, "a")
    await clocked.call("HSET", clocked.keys.breaker + "a", "open_until", 1)
    both = {"a": 1, "b": 1}
    assert await take(clocked, both, worker="w2") == []
    await clocked.pass_time(KEPT_MS - 1)
    assert await take(clocked, both, worker="w2") == []
    await clocked.pass_time(2)
    assert [(claimed.job_id, claimed.server) for claimed in await take(clocked, both, worker="w2")] == [(job_id, "b")]
    assert await clocked.call("SMEMBERS", clocked.keys.strays + "a") == [f"prompt of {job_id}".encode()]
    assert await holders(clocked, "a") == set()


async def test_a_server_that_is_sick_is_not_waited_for(clocked: ClockedStore) -> None:
    job_id = await lose_with_prompt_at(clocked, "a")
    await clocked.call("HSET", clocked.keys.server + "a", "sick", 1)
    assert [claimed.job_id for claimed in await take(clocked, {"a": 1, "b": 1}, worker="w2")] == [job_id]
    assert await clocked.call("SCARD", clocked.keys.strays + "a") == 1


async def test_a_server_that_left_the_fleet_is_left_as_well(clocked: ClockedStore) -> None:
    job_id = await lose_with_prompt_at(clocked, "a")
    assert await take(clocked, {"b": 1}, worker="w2") == [], "another worker may know it still"
    await clocked.pass_time(KEPT_MS + 1)
    assert [claimed.job_id for claimed in await take(clocked, {"b": 1}, worker="w2")] == [job_id]


async def test_an_attempt_is_not_repeated_where_it_failed_while_there_is_another_server(store: Store) -> None:
    both = {"a": 1, "b": 1}
    await put(store, ANY)
    (rival,) = await take(store, {"b": 1})
    (job_id,) = await put(store, ANY)
    (first,) = await take(store, {"a": 1})
    await finish(store, job_id, first.fence, "retry", avoid="a", out_of_memory=True)
    assert await take(store, both) == [], "it waits for the other, who has the files and is busy"
    await finish(store, rival.job_id, rival.fence, "succeed")
    (second,) = await take(store, both)
    assert (second.job_id, second.server, second.out_of_memory) == (job_id, "b", True)
    await finish(store, job_id, second.fence, "retry", avoid="b")
    assert [claimed.server for claimed in await take(store, {"b": 1})] == ["b"], "there is no other"


@pytest.mark.parametrize("ending, stays", [("release", True), ("unstart", True), ("retry", False), ("wait", False)])
async def test_a_job_that_goes_back_keeps_its_slot_while_its_prompt_may_live(
    store: Store, ending: Ending, *, stays: bool
) -> None:
    (job_id,) = await put(store, ANY)
    (claimed,) = await take(store, {"a": 1})
    await submitted(store, claimed)
    await finish(store, job_id, claimed.fence, ending, delay_s=60)
    assert await holders(store, "a") == ({job_id} if stays else set())


async def test_a_slot_is_renewed_with_the_lease_and_lapses_when_nobody_comes_for_it(clocked: ClockedStore) -> None:
    (job_id, other) = await put(clocked, ANY, ANY)
    (claimed,) = await take(clocked, {"a": 1})
    for _ in range(10):
        await clocked.pass_time(20_000)
        await renew(clocked, [Held("gpu", job_id, claimed.fence)], LEASE_S, queues=["gpu"])
    assert await take(clocked, {"a": 1}) == []
    await clocked.call("HDEL", clocked.keys.job + job_id, "server")  # as if no ending knew of it
    await clocked.pass_time(int(LEASE_S * 1000) + KEPT_MS + 1)
    assert await take(clocked, {"a": 1}) == [], "after a silence neither lease nor slot runs out"
    for _ in range(4):
        await renew(clocked, [], LEASE_S, queues=["gpu"])
        await clocked.pass_time(int(LEASE_S * 1000 / 3))
    claims = await take(clocked, {"a": 1})
    assert [claimed.job_id for claimed in claims] in ([job_id], [other])


async def test_canceling_a_job_whose_prompt_may_live_gives_it_to_whoever_can_end_it(clocked: ClockedStore) -> None:
    job_id = await lose_with_prompt_at(clocked, "a")
    assert await take(clocked, {}, worker="w2") == []
    assert await cancel(clocked, CALLER.user_id, job_id) == "requested"
    (rival,) = await put(clocked, ANY, priority=10)
    claims = {claimed.job_id: claimed for claimed in await take(clocked, {"a": 1}, worker="w2")}
    assert claims.keys() == {job_id}, "until it has ended the slot is taken"
    assert (claims[job_id].canceled, claims[job_id].server) == (True, "a")
    await finish(clocked, job_id, claims[job_id].fence, "cancel")
    assert [claimed.job_id for claimed in await take(clocked, {"a": 1})] == [rival]


async def test_a_lost_reply_is_told_again_with_the_server(store: Store) -> None:
    (job_id,) = await put(store, ANY)
    await take(store, {"a": 1})
    again = await claim(store, "w1", ["gpu"], 5, LEASE_S, servers={"a": 1}, after_outage=True)
    assert [(claimed.job_id, claimed.server) for claimed in again.jobs] == [(job_id, "a")]


class Walk:
    """Workers that come, submit, end, hand back and die at random; no prompt ever ends but by an ending."""

    def __init__(self, store: ClockedStore, seed: int) -> None:
        self.store = store
        self.random = random.Random(seed)
        self.servers = {"a": 1, "b": 2, "c": 3}
        self.running: list[Claim] = []

    async def step(self) -> None:
        moves = (self.submit, self.claim, self.claim, self.prompt, self.end, self.end, self.die, self.renew)
        await self.random.choice(moves)()

    async def submit(self) -> None:
        caller = make_caller(user_id=f"usr_{self.random.randrange(3)}", slots=4)
        wanted = self.random.choice(["", ANY, needs("x.ckpt"), needs("y.ckpt")])
        await submit(self.store, caller, queue="gpu", needs=wanted, priority=self.random.randrange(-3, 4))

    async def claim(self) -> None:
        worker = f"w{self.random.randrange(4)}"
        reached = dict(self.random.sample(sorted(self.servers.items()), self.random.randrange(4)))
        self.running += await take(self.store, reached, n=self.random.randrange(1, 4), worker=worker)

    async def prompt(self) -> None:
        if self.running and (claimed := self.random.choice(self.running)).server:
            await submitted(self.store, claimed)

    async def end(self) -> None:
        if self.running:
            claimed = self.running.pop(self.random.randrange(len(self.running)))
            endings: list[Ending] = ["succeed", "fail", "cancel", "retry", "release", "unstart"]
            ending = self.random.choice(endings)
            await finish(self.store, claimed.job_id, claimed.fence, ending, delay_s=self.random.choice([0, 0, 5]))

    async def die(self) -> None:
        if self.random.random() < 0.2:
            self.running = []
            await self.store.pass_time(int(LEASE_S * 1000) + 1)

    async def renew(self) -> None:
        held = [Held("gpu", claimed.job_id, claimed.fence) for claimed in self.running]
        await renew(self.store, held, LEASE_S, queues=["gpu"])

    async def check(self) -> None:
        unfinished: dict[str, dict[str, str]] = {}
        for key in await self.store.call("KEYS", self.store.keys.job + "*"):
            words = [word.decode(errors="replace") for word in await self.store.call("HGETALL", key)]
            record = dict(zip(words[::2], words[1::2], strict=True))
            if record["status"] not in FINISHED:
                unfinished[key.decode().removeprefix(self.store.keys.job)] = record
        holding = {server: await holders(self.store, server) for server in self.servers}
        for server, slots in self.servers.items():
            live = await self.store.call("ZCOUNT", self.store.keys.slots + server, self.store.now_ms, "+inf")
            assert live <= slots
            assert {i for i, record in unfinished.items() if record.get("server") == server} == holding[server]
        for claimed in self.running:
            if claimed.server:
                assert claimed.job_id in holding[claimed.server]


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_no_server_has_more_jobs_than_slots_and_no_slot_is_lost(
    clocked: ClockedStore, seed: int
) -> None:
    await offer(clocked, "a", "x.ckpt")
    await offer(clocked, "b", "y.ckpt")
    walk = Walk(clocked, seed)
    for _ in range(150):
        await walk.step()
        await walk.check()
    await asyncio.gather(*[finish(clocked, one.job_id, one.fence, "succeed") for one in walk.running])
    walk.running = []
    await clocked.pass_time(100_000)
    while await clocked.call("ZCARD", clocked.keys.zset_of("gpu")):
        for claimed in await take(clocked, walk.servers, n=50):
            await finish(clocked, claimed.job_id, claimed.fence, "succeed")
        await clocked.pass_time(6_000)  # a promise to make room for one that runs alone lapses
        await walk.renew()  # else Redis was away, and nobody is to blame for a lease
    for server in walk.servers:
        assert await holders(clocked, server) == set()

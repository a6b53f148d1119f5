"""What must be true of Redis after every move, whatever the policy: the invariants of the queue."""

from __future__ import annotations

from collections import Counter

from libs.jobs.status import FINISHED
from tests.integration.libs.jobs.snapshot import Snapshot

__all__ = ["check_at_rest", "check_invariants", "check_step"]

READY_END, HELD = 1e12, 8e15
#: How much real time may pass in a test: what Redis itself lets expire is early by so much.
SLACK_MS = 5_000


def check_invariants(seen: Snapshot, queues: list[str], now_ms: int) -> None:
    """Everything that can be said of one moment."""
    records = seen.under(seen.keys.job)
    unfinished = {job_id: record for job_id, record in records.items() if record["status"] not in FINISHED}
    for queue in queues:
        check_bands(seen, queue, {i: r for i, r in unfinished.items() if r["queue"] == queue})
    check_slots(seen, unfinished)
    check_leases(seen, unfinished, now_ms)
    check_what_must_stay(seen, records, unfinished)
    check_units(seen, records, unfinished)
    check_events(seen, records)
    check_batches(seen, records)
    check_record_bytes(seen, records)


def check_bands(seen: Snapshot, queue: str, unfinished: dict[str, dict[str, str]]) -> None:
    """Invariant 1: in the queue if and only if unfinished; and the band fits what the record says."""
    scores = seen.scores(queue)
    assert scores.keys() == unfinished.keys()
    lanes = lanes_of(seen, queue)
    held = {job_id for lane in lanes.values() for job_id in lane}
    for job_id, record in unfinished.items():
        score, waiting, leased = scores[job_id], "waiting" in record, "fence" in record
        status, opened = record["status"], is_open(seen, job_id, record)
        assert (status == "running") == (waiting or leased)
        assert not (waiting and leased)
        if score < READY_END:
            assert score >= 1
            assert opened
            assert not leased
            assert status == "queued" or waiting
        elif score < HELD:
            assert opened == leased
            assert job_id not in held
        else:
            assert job_id in held
            assert not opened
            assert not leased
            assert status == "queued" or waiting
        assert (job_id in held) == (score >= HELD)
    check_lanes(seen, queue, lanes)


def lanes_of(seen: Snapshot, queue: str) -> dict[tuple[str, str], dict[str, float]]:
    """Held jobs of a queue, by share and lane."""
    found = {}
    for behind, lane in seen.under(seen.keys.lane).items():
        user, its_queue, name = behind.split(":")
        if its_queue == queue:
            found[f"{user}:{queue}", name] = lane
    return found


def check_lanes(seen: Snapshot, queue: str, lanes: dict[tuple[str, str], dict[str, float]]) -> None:
    """A lane is among its user's lanes if and only if it holds a job."""
    for share, placed in seen.under(seen.keys.lanes).items():
        if share.endswith(f":{queue}"):
            assert placed.keys() == {name for owner, name in lanes if owner == share}
    for owner, _ in lanes:
        assert seen.keys.lanes + owner in seen.values


def is_open(seen: Snapshot, job_id: str, record: dict[str, str]) -> bool:
    return job_id in seen.values.get(f"{seen.keys.open}{record['user']}:{record['queue']}", ())


def check_slots(seen: Snapshot, unfinished: dict[str, dict[str, str]]) -> None:
    """Invariant 2: open if and only if ready or running; and who counts as queued is queued."""
    for share, opened in seen.under(seen.keys.open).items():
        user, queue = share.split(":")
        for job_id in opened:
            assert (unfinished[job_id]["user"], unfinished[job_id]["queue"]) == (user, queue)
            assert seen.scores(queue)[job_id] < READY_END or "fence" in unfinished[job_id]
    queued = {job_id for ids in seen.under(seen.keys.queued).values() for job_id in ids}
    assert queued == {i for i, record in unfinished.items() if record["status"] in {"scheduled", "queued"}}


def check_leases(seen: Snapshot, unfinished: dict[str, dict[str, str]], now_ms: int) -> None:
    """Invariant 4: who holds a lease has it marked in ARQ's key; nobody else has."""
    marked = seen.under(seen.keys.arq_running)
    leased = {job_id: record for job_id, record in unfinished.items() if "fence" in record}
    assert marked.keys() <= leased.keys()
    for job_id, record in leased.items():
        if seen.scores(record["queue"])[job_id] > now_ms + SLACK_MS and job_id in marked:
            assert marked[job_id] == record["fence"]


def check_what_must_stay(
    seen: Snapshot, records: dict[str, dict[str, str]], unfinished: dict[str, dict[str, str]]
) -> None:
    """Invariant 5: nothing that an unfinished job needs can expire; what is finished will."""
    keys = seen.keys
    assert seen.under(keys.arq_job).keys() == unfinished.keys()
    for job_id, record in records.items():
        needed = [keys.job + job_id]
        if "idempotency" in record:
            needed.append(f"{keys.idempotency}{record['user']}:{record['idempotency']}")
        for key in needed:
            stays = seen.left_ms.get(key) == -1
            if job_id in unfinished:
                assert stays, key
            elif key == needed[0]:
                assert not stays, key
        if job_id in unfinished:
            assert seen.left_ms[keys.arq_job + job_id] == -1
            assert seen.left_ms.get(keys.events + job_id, -1) == -1
            assert f"{keys.share}{record['user']}:{record['queue']}" in seen.values


def check_units(seen: Snapshot, records: dict[str, dict[str, str]], unfinished: dict[str, dict[str, str]]) -> None:
    """Invariant 8: held units are those of unfinished jobs; the ledger's sums are the counters; one settlement each."""
    held: Counter[tuple[str, str]] = Counter()
    used: Counter[tuple[str, str]] = Counter()
    closed: Counter[str] = Counter()
    for user, entries in seen.under(seen.keys.ledger).items():
        for entry in entries:
            units, at = int(entry["units"]), (user, entry["day"])
            held[at] += units if entry["entry"] == "reserve" else -units
            used[at] += units if entry["entry"] == "settle" else 0
            closed[entry["job"]] += entry["entry"] != "reserve"
    batches = seen.under(seen.keys.batch)
    ended = (records.keys() - unfinished.keys()) | {i for i, batch in batches.items() if "rest_from" in batch}
    assert closed == Counter(dict.fromkeys(ended, 1))
    owed: Counter[tuple[str, str]] = Counter()
    for batch in batches.values():
        owed[batch["user"], batch["day"]] += int(batch["units_left"])
    for record in unfinished.values():
        owed[record["user"], record["day"]] += int(record["units"])
    assert +held == +owed
    counters = seen.under(seen.keys.usage)
    for user, day in {tuple(behind.split(":")) for behind in counters} | held.keys():
        usage = counters.get(f"{user}:{day}", {})
        assert (int(usage.get("held", 0)), int(usage.get("used", 0))) == (held[user, day], used[user, day])


def check_events(seen: Snapshot, records: dict[str, dict[str, str]]) -> None:
    """Invariant 6, as far as streams tell: `done` is the last event of a finished job, and of no other."""
    for job_id, events in seen.under(seen.keys.events).items():
        types = [event["type"] for event in events]
        assert types.count("done") == (records[job_id]["status"] in FINISHED)
        assert "done" not in types[:-1]


def check_batches(seen: Snapshot, records: dict[str, dict[str, str]]) -> None:
    """A batch counts its items as a recount of their jobs does; and it is over only when all of them are."""
    for batch_id, batch in seen.under(seen.keys.batch).items():
        jobs = [record for record in records.values() if record.get("batch") == batch_id]
        found = Counter(record["status"] for record in jobs)
        if "rest_from" in batch:
            found[batch["rest_status"]] += int(batch["items"]) - int(batch["rest_from"])
        told = {name.partition(":")[2]: int(count) for name, count in batch.items() if name.startswith("items:")}
        assert +Counter(told) == +found
        assert sum(found.values()) == int(batch["next"])
        left = int(batch["items"]) - sum(count for status, count in found.items() if status in FINISHED)
        assert int(batch["left"]) == left
        if batch["status"] != "running":
            assert left == 0
            assert seen.keys.batch_ended + batch_id not in seen.values
            assert seen.left_ms.get(seen.keys.batch_turns + batch_id, 0) >= 0
        elif counted := seen.values.get(seen.keys.batch_ended + batch_id):
            blocks = {name: int(count) for name, count in counted.items() if name.isdigit()}
            assert sum(blocks.values()) == int(batch["items"]) - left
        assert (batch_id in seen.values.get(seen.keys.batches_open + batch["user"], ())) == (
            batch["status"] == "running"
        )


def check_record_bytes(seen: Snapshot, records: dict[str, dict[str, str]]) -> None:
    """What is counted of a user's records is what they have, the orders at least of which nothing has come yet."""
    found: Counter[str] = Counter()
    for job_id, record in records.items():
        found[record["user"]] += int(record.get("bytes", 0))
        assert int(record["bytes"]) >= len(seen.values.get(seen.keys.arq_job + job_id, record.get("payload", "")))
    for batch in seen.under(seen.keys.batch).values():
        found[batch["user"]] += int(batch["bytes"]) + int(batch["items_bytes"])
        if batch["next"] == batch["items"]:
            assert batch["items_bytes"] == "0"
    assert {user: int(told) for user, told in seen.under(seen.keys.record_bytes).items()} == +found


def check_step(before: Snapshot, after: Snapshot) -> None:
    """What must be true from one moment to the next: ends are final, and nobody goes further over a cap."""
    records = after.under(after.keys.job)
    for job_id, record in before.under(before.keys.job).items():
        if record["status"] in FINISHED:
            assert records[job_id] == record
        assert int(records[job_id].get("version", 0)) >= int(record.get("version", 0))
    opened_before = before.under(before.keys.open)
    for share, opened in after.under(after.keys.open).items():
        cap = int(after.values[after.keys.share + share]["cap"])
        assert len(opened) <= max(cap, len(opened_before.get(share, ())))


def check_at_rest(seen: Snapshot, queues: list[str]) -> None:
    """I5 and I6: nothing is held, open, leased, queued or reserved any more."""
    keys = seen.keys
    for head in (keys.open, keys.lane, keys.lanes, keys.queued, keys.arq_job, keys.arq_running):
        assert not seen.under(head)
    assert not any(seen.scores(queue) for queue in queues)
    assert not any(int(usage.get("held", 0)) for usage in seen.under(keys.usage).values())

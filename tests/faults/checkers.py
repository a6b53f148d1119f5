"""The invariants, one function each: what must be true after every fault, whatever it was."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from libs.jobs.status import FINISHED
from libs.store.keyspace import ARQ, HEADS
from tests.faults.evidence import Evidence, stream

__all__ = ["ALL", "check_all"]

#: What may stay for ever, by what the keyspace says of each family.
_STAYS = ("always", "archived", "until", "while any")


def i1_every_acknowledged_job_ends(seen: Evidence) -> None:
    jobs = seen.dump.jobs()
    lost = seen.history.acknowledged() - jobs.keys()
    assert not lost, f"{len(lost)} acknowledged jobs are gone: {sorted(lost)[:5]}"
    unfinished = {job_id: job.status for job_id, job in jobs.items() if not job.finished}
    assert not unfinished, f"{len(unfinished)} jobs have not ended: {dict(list(unfinished.items())[:5])}"


def i2_one_terminal_status_never_left(seen: Evidence) -> None:
    for job_id, job in seen.dump.jobs().items():
        events = seen.dump.events(job_id)
        ends = [event["data"] for _, event in events if event["type"] == "done"]
        if events:
            assert ends == [f'{{"status":"{job.status}"}}'], (job_id, job.status, ends)
            assert events[-1][1]["type"] == "done", (job_id, events)
    told: dict[str, str] = {}
    for call in seen.history.calls:
        if call.accepted and "status" in call.body and "id" in call.body:
            before = told.get(call.body["id"])
            assert before not in FINISHED or before == call.body["status"], (
                call.body["id"],
                before,
                call.body["status"],
            )
            told[call.body["id"]] = call.body["status"]


def i3_a_succeeded_job_has_its_objects(seen: Evidence) -> None:
    for job_id, job in seen.dump.jobs().items():
        if job.status != "succeeded":
            assert not job.artifacts, job_id
        for artifact in job.artifacts:
            assert seen.objects.get(artifact.object_name) == artifact.sha256, (job_id, artifact.object_name)


def i4_one_key_one_job(seen: Evidence) -> None:
    made: dict[tuple[str, str], set[str]] = defaultdict(set)
    asked: dict[str, set[str]] = defaultdict(set)
    without: Counter[str] = Counter()
    for call in seen.history.submissions():
        if call.idempotency is None:
            without[call.user] += 1
            continue
        asked[call.user].add(call.idempotency)
        if call.accepted:
            made[call.user, call.idempotency].add(call.body["id"])
    assert not {key: ids for key, ids in made.items() if len(ids) > 1}
    assert len(set().union(*made.values())) == len(made)
    records = Counter(job.user_id for job in seen.dump.jobs().values())
    for user, keys in asked.items():
        assert records[user] <= len(keys) + without[user], (user, records[user], len(keys))


def i5_quota_balances(seen: Evidence) -> None:
    dump = seen.dump
    jobs = dump.jobs()
    sums: Counter[tuple[str, str, str]] = Counter()
    closed: Counter[str] = Counter()
    for user, entries in dump.under(dump.keys.ledger).items():
        for _, entry in stream(entries):
            units, day = int(entry["units"]), entry["day"]
            sums[user, day, "held"] += units if entry["entry"] == "reserve" else -units
            sums[user, day, "used"] += units if entry["entry"] == "settle" else 0
            closed[entry["job"]] += entry["entry"] != "reserve"
    counters: Counter[tuple[str, str, str]] = Counter()
    for behind, usage in dump.under(dump.keys.usage).items():
        user, _, day = behind.partition(":")
        counted = dict(zip(usage[::2], usage[1::2], strict=True))
        for name in ("held", "used"):
            counters[user, day, name] += int(counted.get(name.encode(), 0))
    assert +sums == +counters
    assert not any(units for (_, _, name), units in counters.items() if name == "held")
    assert closed == Counter(dict.fromkeys(jobs, 1)), "each job is settled or refunded once"


def i5_bytes_balance(seen: Evidence) -> None:
    dump = seen.dump
    found: Counter[str] = Counter()
    for head, names in ((dump.keys.job, (b"bytes",)), (dump.keys.batch, (b"bytes", b"items_bytes"))):
        for words in dump.under(head).values():
            record = dict(zip(words[::2], words[1::2], strict=True))
            found[record[b"user"].decode()] += sum(int(record.get(name, 0)) for name in names)
    assert {user: int(told) for user, told in dump.under(dump.keys.record_bytes).items()} == +found


def i6_nothing_is_left_at_rest(seen: Evidence) -> None:
    dump, keys = seen.dump, seen.dump.keys
    ours = (keys.open, keys.lane, keys.lanes, keys.queued, keys.slots, keys.gate_desk, keys.gate_away, keys.predictions)
    for head in (*ours, keys.batches_open, keys.arq_job, keys.arq_running, keys.arq_retry):
        assert not dump.under(head), (head, list(dump.under(head))[:5])
    queues = {
        key: dump.values[key] for key in dump.values if key == keys.arq_queue or key.startswith(f"{keys.arq_queue}:")
    }
    assert not queues, queues
    for job_id, record in dump.under(keys.job).items():
        assert not {b"fence", b"waiting"}.intersection(record[::2]), job_id


def i7_every_change_is_in_the_outbox_once(seen: Evidence) -> None:
    told: dict[str, list[dict[str, str]]] = defaultdict(list)
    for _, entry in stream(seen.dump.values.get(seen.dump.keys.outbox, ())):
        told[entry["about"]].append(entry)
    for job_id, record in seen.dump.under(seen.dump.keys.job).items():
        if b"webhook" not in record[::2]:
            continue
        entries = told[job_id]
        events = [entry["event"].removeprefix("job.") for entry in entries]
        sequence = [int(entry["sequence"]) for entry in entries]
        assert sequence == sorted(set(sequence)), (job_id, sequence)
        status = record[record.index(b"status") + 1].decode()
        assert [said for said in events if said in FINISHED] == [status], (job_id, entries)
        assert events[-1] == status, (job_id, entries)


def i8_the_backend_runs_no_more_than_it_must(seen: Evidence) -> None:
    jobs = seen.dump.jobs()
    for job_id, runs in seen.tally.runs_of_jobs().items():
        job = jobs[job_id]
        assert runs <= 1 + job.crashes + job.failures, (job_id, runs)
    # Each job of these kinds has one submission, which the backend never loses: it runs once, whatever happens to us.
    again = {job_id: runs for job_id, runs in seen.tally.runs_of_jobs().items() if runs > 1}
    assert not again, again


def i9_every_key_expires_or_is_permanent(seen: Evidence) -> None:
    keys = seen.dump.keys
    heads = {keys.prefix + head.text: head for head in HEADS.values()} | {head.text: head for head in ARQ.values()}
    due = [member.decode().split(" ") for member in seen.dump.values.get(keys.batches_due, ())[::2]]
    swept = {key for user, batch in due for key in (keys.batches + user, keys.batch + batch)}  # once they are due
    for key, left in seen.dump.left_ms.items():
        family = [head for text, head in heads.items() if key == text or key.startswith(text.rstrip(":") + ":")]
        assert family, f"{key} belongs to no family"
        if left == -1 and key not in swept:
            stays = {head.stays for head in family}
            assert any(word.startswith(_STAYS) for word in stays), (key, stays)


def i10_clients_see_problems_and_no_other_error(seen: Evidence) -> None:
    for call in seen.history.calls:
        if call.status is None or call.status < 400:
            continue
        assert call.status == 503 or call.status < 500, call
        assert call.content_type == "application/problem+json", call
        assert {"type", "title", "status", "code"} <= call.body.keys(), call
        if call.status == 503:
            assert int(call.retry_after or 0) >= 1, call


def i11_metrics_agree_with_the_history(seen: Evidence) -> None:
    if seen.counted is None:
        return  # the process that counted was killed
    answers: Counter[tuple[str, str, str]] = Counter(
        (call.method, call.route, str(call.status)) for call in seen.history.calls if call.status is not None
    )
    unanswered = sum(call.status is None for call in seen.history.calls)
    for (method, route, status), count in answers.items():
        counted = seen.count("arqade_http_requests_total", method=method, route=route, status=status)
        assert count <= counted <= count + unanswered, (method, route, status, count, counted)
    admitted = seen.count("arqade_jobs_admitted_total")
    # What Redis admitted while its answer was lost, nobody could count.
    unknown = sum(call.status == 503 for call in seen.history.submissions()) + unanswered
    assert admitted <= len(seen.dump.jobs()) <= admitted + unknown


ALL: tuple[Any, ...] = (
    i1_every_acknowledged_job_ends,
    i2_one_terminal_status_never_left,
    i3_a_succeeded_job_has_its_objects,
    i4_one_key_one_job,
    i5_quota_balances,
    i5_bytes_balance,
    i6_nothing_is_left_at_rest,
    i7_every_change_is_in_the_outbox_once,
    i8_the_backend_runs_no_more_than_it_must,
    i9_every_key_expires_or_is_permanent,
    i10_clients_see_problems_and_no_other_error,
    i11_metrics_agree_with_the_history,
)


def check_all(seen: Evidence) -> None:
    """Every invariant."""
    for check in ALL:
        check(seen)

"""The name of every Redis key, for Python and for Lua alike; no key is spelled anywhere else.

A key is a head from here and ids behind it: `keys.job + job_id` in Python, `KEY.job .. job_id` in a script.
What stands behind a head is always an id that we made, or a digest: never text that a client chose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

__all__ = ["ARQ", "HEADS", "Head", "Keyspace"]

#: A prefix is written into scripts, where a quote would end the text it stands in.
_PREFIX = re.compile(r"[A-Za-z0-9._:-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Head:
    """One family of keys: what follows the head, its Redis type, what it holds and how long it stays."""

    text: str
    behind: str
    type: str
    holds: str
    stays: str


#: ARQ's own keys. Their names are fixed in its source, so a deployment has a Redis database of its own.
ARQ: dict[str, Head] = {
    "arq_queue": Head("arq:queue", "[:queue]", "ZSET", "every unfinished job of a queue, in three bands", "always"),
    "arq_job": Head("arq:job:", "job", "STRING", "the payload of an unfinished job", "until the job ends"),
    "arq_running": Head("arq:in-progress:", "job", "STRING", "the fence of a running job", "one lease"),
    "arq_retry": Head("arq:retry:", "job", "STRING", "tries of a foreign job", "until the job ends"),
    "arq_result": Head("arq:result:", "job", "STRING", "result of a foreign job", "as the function says"),
    "arq_abort": Head("arq:abort", "", "ZSET", "foreign jobs that are to be aborted", "always"),
}

HEADS: dict[str, Head] = {
    # jobs
    "job": Head("job:", "job", "HASH", "the record of a job", "until archived; 30 d past retention at most"),
    "jobs": Head(
        "jobs:", "user", "ZSET", "ids of a user's jobs, oldest first", "while any; a job leaves when it is archived"
    ),
    "finished": Head(
        "finished:", "user", "ZSET", "finished jobs by when they ended", "while any; a job leaves when it is archived"
    ),
    "archiving": Head("archiving", "", "ZSET", "users with finished jobs, by when the oldest ended", "while any"),
    "events": Head("events:", "job", "STREAM", "what happened since the job started", "10 min after its end"),
    "queued": Head("queued:", "user", "SET", "ids of the user's jobs that have not started", "while any"),
    "idempotency": Head("idem:", "user:digest", "STRING", "fingerprint and job id", "24 h after the job's end"),
    "record_bytes": Head(
        "recordbytes:",
        "user",
        "STRING",
        "bytes of the user's jobs and batches: what was ordered, what came of it",
        "while any",
    ),
    "result": Head("result:", "digest", "STRING", "the job that has this result", "24 h, or the job's retention"),
    "outbox": Head("outbox", "", "STREAM", "events that webhooks are to be told", "until it is a delivery"),
    "foreign": Head(
        "foreign:", "job", "STRING", "claims of a foreign job that no ending followed", "a day, or its end"
    ),
    "dead": Head("dead", "", "ZSET", "jobs given up after crashes, by time", "until replayed or retention"),
    "dead_owners": Head("deadowners", "", "HASH", "whose the dead jobs are", "until replayed or retention"),
    "recent": Head("recent", "", "STREAM", "the newest admissions, 100,000 at most: job and user", "archived"),
    # batches
    "batch": Head("batch:", "batch", "HASH", "a batch, and how many of its items have which status", "retention"),
    "batch_ended": Head(
        "batchended:", "batch", "HASH", "by block: items that ended, and results stored", "until its end"
    ),
    "batch_turns": Head(
        "batchturns:", "batch", "STRING", "by turn, 2 bytes each: which item becomes a job", "a minute past its end"
    ),
    "batches": Head("batches:", "user", "ZSET", "ids of a user's batches, oldest first", "retention"),
    "batches_open": Head("batchesopen:", "user", "SET", "ids of the user's unfinished batches", "while any"),
    "batches_due": Head("batchesdue", "", "ZSET", "user and batch, by when a worker looks after it", "always"),
    "comparison": Head("comparison:", "comparison", "HASH", "variants and their jobs", "as long as its jobs"),
    "comparisons": Head("comparisons:", "user", "ZSET", "ids of a user's comparisons, oldest first", "retention"),
    # shares of a queue: one set of keys for each (user, queue)
    "share": Head("share:", "user:queue", "HASH", "weight, cap and virtual finish time", "40 d after its last use"),
    "lane": Head("lane:", "user:queue:fairness digest", "ZSET", "held jobs by priority and sequence", "while any"),
    "lanes": Head("lanes:", "user:queue", "ZSET", "fairness keys with held jobs, next first", "while any"),
    "open": Head("open:", "user:queue", "SET", "ids of ready and running jobs", "while any"),
    # gates: kinds whose backend takes only so many jobs
    "gate": Head("gate:", "kind", "HASH", "how many jobs a kind's backend takes, and until when none", "always"),
    "gate_desk": Head("gatedesk:", "kind", "SET", "ids of the kind's jobs that workers hand over", "while any"),
    "gate_away": Head("gateaway:", "kind", "SET", "ids of the kind's jobs that wait at the backend", "while any"),
    # queues and workers
    "queue": Head("queue:", "queue", "HASH", "virtual time, sequence, pause flag, drain rate", "always"),
    "bell": Head("bell:", "queue", "LIST", "a token for each job that became ready, at most 64", "while any"),
    "workers": Head("workers", "", "ZSET", "workers by the time they were last seen", "always"),
    "worker": Head("worker:", "worker", "HASH", "what a worker says of itself", "a minute after its last word"),
    "control": Head("control:", "worker", "LIST", "orders to one worker: cancel, drain", "a minute"),
    "clock": Head("clock", "", "HASH", "when batches and webhooks were last looked for", "always"),
    "walk": Head("walk", "", "HASH", "where the walk through the bucket is, and until when it rests", "always"),
    "sweeper": Head("sweeper", "", "STRING", "which worker sweeps now", "seconds"),
    # access
    "user": Head("user:", "user", "HASH", "a user", "always"),
    "users": Head("users", "", "ZSET", "ids of all users, oldest first", "always"),
    "erasing": Head("erasing", "", "ZSET", "users who are being erased, by when that began", "until it is done"),
    "email": Head("email:", "digest", "STRING", "the user id of an e-mail address", "always"),
    "api_key": Head("apikey:", "digest", "HASH", "an api key, found by the HMAC of its secret", "30 d after expiry"),
    "api_key_id": Head("apikeyid:", "api key", "STRING", "the digest of an api key", "30 d after expiry"),
    "user_api_keys": Head("userkeys:", "user", "ZSET", "ids of a user's api keys, oldest first", "always"),
    "process": Head(
        "process:",
        "process",
        "STRING",
        "what a process says of itself, as JSON",
        "a minute after its last word",
    ),
    "processes": Head(
        "processes", "", "ZSET", "processes, by when what they said lapses", "a minute after the last word"
    ),
    "api_keys": Head("apikeys", "", "ZSET", "ids of all api keys, oldest first", "always"),
    "plans": Head("plans", "", "HASH", "plans an admin changed, as JSON", "always"),
    "revoked": Head("revoked", "", "CHANNEL", "digests that caches must forget", "-"),
    "audit": Head("audit", "", "STREAM", "every admin act", "archived"),
    "audit_anchor": Head("auditanchor", "", "STRING", "how far the audit log went, signed", "always"),
    "streams": Head("streams:", "api key", "ZSET", "open event streams by the end of their lease", "half a minute"),
    "stream_token": Head("streamtoken:", "digest", "STRING", "the job and api key of a stream token", "a minute"),
    # limits
    "rate": Head(
        "rate:", "user, key or address digest:bucket", "STRING", "when the bucket is full again, in µs", "a minute"
    ),
    "usage": Head("usage:", "user:day", "HASH", "units held and used on a day, used ones by kind too", "40 d"),
    "usage_month": Head("usagemonth:", "user:month", "HASH", "units used in a month, by kind", "400 d"),
    "ledger": Head("ledger:", "user", "STREAM", "every reservation, settlement and refund", "archived"),
    # webhooks; the endpoint of the webhooks that jobs and batches name has the id of their user
    "webhook": Head("webhook:", "endpoint", "HASH", "an endpoint", "until deleted"),
    "user_webhooks": Head("userwebhooks:", "user", "ZSET", "ids of a user's endpoints, oldest first", "while any"),
    "webhook_wants": Head("webhookwants:", "user", "STRING", "the events that a user's endpoints ask for", "while any"),
    "delivery": Head("delivery:", "delivery", "HASH", "an event on its way to an endpoint", "30 d"),
    "deliveries": Head("deliveries:", "endpoint", "ZSET", "ids of its deliveries, oldest first", "30 d after the last"),
    "delivered": Head("delivered:", "endpoint", "ZSET", "ended deliveries by when they ended", "30 d after the last"),
    "receiver": Head("receiver:", "receiver", "STRING", "its failures in a row; below 0, arrivals", "a week; an hour"),
    "receiver_queue": Head("receiverqueue:", "receiver", "ZSET", "its deliveries, by when they are due", "30 d"),
    "receiver_flight": Head(
        "receiverflight:", "receiver or user", "ZSET", "deliveries under way, by their lease", "while any"
    ),
    "receivers_parked": Head(
        "parked:",
        "user",
        "ZSET",
        "receivers that wait for room among the user's deliveries, by since when",
        "while any",
    ),
    "receivers": Head("receivers", "", "ZSET", "receivers by when they are due", "always"),
    "receivers_ailing": Head("ailing", "", "ZSET", "the same of those that fail", "always"),
    # files and backends
    "upload": Head("upload:", "upload", "HASH", "an upload and its state", "24 h, or retention once used"),
    "uploads": Head("uploads", "", "ZSET", "uploads by the time they lapse", "always"),
    "uploads_watched": Head(
        "uploadswatched", "", "ZSET", "uploads whose URL may be written to, by the next look", "15 min past the URL"
    ),
    "user_uploads": Head(
        "useruploads:", "user", "ZSET", "a user's pending uploads by the time they lapse", "while any"
    ),
    "stored": Head("stored:", "user or `all`", "HASH", "bytes in the object store", "always"),
    "catalogue": Head("catalogue:", "backend", "STRING", "models, samplers and node classes, as JSON", "a day"),
    "devices": Head("devices", "", "STRING", "GPUs of backends and their memory, as JSON", "2 min"),
    "node_classes": Head("nodeclasses:", "backend", "HASH", "what each node class takes and gives, as JSON", "a day"),
    "node_choices": Head("nodechoices:", "backend", "HASH", "long lists of choices, by digest, as JSON", "a day"),
    "workflows": Head("workflows", "", "ZSET", "names of the registered workflows, in their order", "always"),
    "workflow": Head("workflow:", "digest", "HASH", "a workflow: its newest version", "always; 40 d once retired"),
    "workflow_versions": Head("workflowversions:", "digest", "ZSET", "versions that can be ordered", "while any"),
    "workflow_version": Head(
        "workflowversion:", "digest:number", "HASH", "a version: graph and parameters", "always; 40 d once retired"
    ),
    "server_catalogue": Head("servercatalogue:", "server", "STRING", "the same of one server of the fleet", "a day"),
    "server": Head("server:", "server", "HASH", "whether a server of the fleet is well, and what it ran last", "a day"),
    "slots": Head("slots:", "server", "ZSET", "jobs that hold a slot of a server, by when it lapses", "while any"),
    "offers": Head("offers:", "server", "SET", "digests of what a server can load and run", "a day"),
    "strays": Head("strays:", "server", "SET", "prompts that were left behind at a server", "a day"),
    "probing": Head("probing:", "server", "STRING", "which worker probes a server now", "seconds"),
    "limiter": Head("limiter:", "limiter", "HASH", "pace and pause of an outbound limiter", "1 h after its last use"),
    "limiter_row": Head("limiterrow:", "limiter", "ZSET", "booked requests by the time they may start", "while any"),
    "limiter_log": Head(
        "limiterlog:", "limiter", "ZSET", "requests that count, by the time they cease to", "while any"
    ),
    "limiter_under_way": Head(
        "limiterunderway:", "limiter", "ZSET", "requests booked or under way, by their lease", "while any"
    ),
    "predictions": Head(
        "predictions:", "backend", "HASH", "job and creation time of each prediction that is waited for", "while any"
    ),
    "prediction": Head("prediction:", "job", "STRING", "the end of a prediction, as last seen", "10 min"),
    "prediction_poller": Head("predictionpoller:", "backend", "STRING", "which worker polls a provider now", "seconds"),
    "breaker": Head("breaker:", "backend", "HASH", "a circuit breaker's state and counts", "1 h after its last use"),
}


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The heads of one deployment: ours behind its prefix (`REDIS_PREFIX`), ARQ's as ARQ spells them."""

    prefix: str

    arq_queue: str
    arq_job: str
    arq_running: str
    arq_retry: str
    arq_result: str
    arq_abort: str
    job: str
    jobs: str
    finished: str
    archiving: str
    events: str
    queued: str
    idempotency: str
    record_bytes: str
    result: str
    outbox: str
    foreign: str
    dead: str
    dead_owners: str
    recent: str
    batch: str
    batch_ended: str
    batch_turns: str
    batches: str
    batches_open: str
    batches_due: str
    comparison: str
    comparisons: str
    share: str
    lane: str
    lanes: str
    open: str
    gate: str
    gate_desk: str
    gate_away: str
    queue: str
    bell: str
    workers: str
    worker: str
    control: str
    clock: str
    walk: str
    sweeper: str
    user: str
    users: str
    erasing: str
    email: str
    api_key: str
    api_key_id: str
    user_api_keys: str
    process: str
    processes: str
    api_keys: str
    plans: str
    revoked: str
    audit: str
    audit_anchor: str
    streams: str
    stream_token: str
    rate: str
    usage: str
    usage_month: str
    ledger: str
    webhook: str
    user_webhooks: str
    webhook_wants: str
    delivery: str
    deliveries: str
    delivered: str
    receiver: str
    receiver_queue: str
    receiver_flight: str
    receivers_parked: str
    receivers: str
    receivers_ailing: str
    upload: str
    uploads: str
    uploads_watched: str
    user_uploads: str
    stored: str
    catalogue: str
    devices: str
    node_classes: str
    node_choices: str
    workflows: str
    workflow: str
    workflow_versions: str
    workflow_version: str
    server_catalogue: str
    server: str
    slots: str
    offers: str
    strays: str
    probing: str
    limiter: str
    limiter_row: str
    limiter_log: str
    limiter_under_way: str
    predictions: str
    prediction: str
    prediction_poller: str
    breaker: str

    @classmethod
    def with_prefix(cls, prefix: str) -> Keyspace:
        """The keyspace behind a prefix; `cui` and `cui:` name the same one. Raises ValueError for odd characters."""
        if not _PREFIX.fullmatch(prefix):
            raise ValueError("REDIS_PREFIX may hold letters, digits and . _ : - only")
        prefix = prefix.rstrip(":") + ":" if prefix else ""
        ours = {name: prefix + head.text for name, head in HEADS.items()}
        return cls(prefix=prefix, **ours, **{name: head.text for name, head in ARQ.items()})

    def lua(self) -> str:
        """The same heads as a Lua table named KEY, on one line, to stand above a script."""
        heads = ",".join(f'{field.name}="{getattr(self, field.name)}"' for field in fields(self))
        return f"local KEY={{{heads}}}"

    def zset_of(self, queue: str) -> str:
        """ARQ's ZSET of a queue; the queue `default` is the one that stock `enqueue_job` uses."""
        return self.arq_queue if queue == "default" else f"{self.arq_queue}:{queue}"

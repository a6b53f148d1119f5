"""Every metric of Arqade, in one place. Labels are of small, known sets: a route's template, never its path."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

__all__ = ["CONTENT_TYPE", "Counter", "Histogram", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_JOB_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1_200)
_WAIT_S = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400)


class Metrics:
    """The metrics of one process, and the registry that renders them."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        # HTTP
        self.requests = Counter(
            "arqade_http_requests", "Requests answered", ("method", "route", "status"), registry=registry
        )
        self.request_seconds = Histogram(
            "arqade_http_request_duration_seconds",
            "Time from a request's headers to the end of its answer",
            ("method", "route"),
            buckets=_REQUEST_S,
            registry=registry,
        )
        self.requests_in_flight = Gauge("arqade_http_requests_in_flight", "Requests being answered", registry=registry)
        self.bytes_in_flight = Gauge(
            "arqade_bytes_in_flight", "Bytes of callers that this process holds", ("what",), registry=registry
        )
        self.bytes_in_flight_max = Gauge(
            "arqade_bytes_in_flight_max", "Bytes of callers that this process may hold", registry=registry
        )
        self.bytes_refused = Counter(
            "arqade_bytes_in_flight_refusals",
            "Requests refused for what is in flight already, by whose ceiling it passed: own or process",
            ("what", "ceiling"),
            registry=registry,
        )
        self.refusals = Counter("arqade_refusals", "Requests refused, by error code", ("code",), registry=registry)
        # Admission and queues
        self.admissions = Counter("arqade_jobs_admitted", "Jobs let into a queue", ("kind",), registry=registry)
        self.replays = Counter(
            "arqade_jobs_replayed",
            "Submissions answered with the job that their idempotency key made",
            registry=registry,
        )
        self.results = Counter(
            "arqade_result_cache",
            "Jobs and items whose result might be known: hit or miss",
            ("kind", "outcome"),
            registry=registry,
        )
        self.queued = Gauge(
            "arqade_queue_jobs", "Unfinished jobs in a queue, by band", ("queue", "band"), registry=registry
        )
        self.queue_max = Gauge("arqade_queue_jobs_max", "Unfinished jobs that a queue may have", registry=registry)
        self.batch_seconds = Histogram(
            "arqade_batch_seconds",
            "Time from a batch's submission to its results",
            ("kind",),
            buckets=_WAIT_S,
            registry=registry,
        )
        # Attempts
        self.jobs = Counter(
            "arqade_jobs_finished", "Jobs that ended, by final status", ("kind", "status"), registry=registry
        )
        self.attempts = Counter(
            "arqade_attempts", "Attempts that ended, and how", ("kind", "outcome"), registry=registry
        )
        self.run_seconds = Histogram(
            "arqade_job_run_seconds", "Time a job's attempt ran", ("kind",), buckets=_JOB_S, registry=registry
        )
        self.wait_seconds = Histogram(
            "arqade_job_wait_seconds",
            "Time from a job's submission to its first start",
            ("queue",),
            buckets=_WAIT_S,
            registry=registry,
        )
        self.slots = Gauge("arqade_worker_slots", "Slots of this worker process", ("use",), registry=registry)
        self.rescues = Gauge(
            "arqade_queue_rescues",
            "Jobs taken back from lost workers since the queue exists",
            ("queue",),
            registry=registry,
        )
        # Parts we depend on
        self.up = Gauge(
            "arqade_dependency_up", "1 while a part could do its work, else 0", ("part",), registry=registry
        )
        self.looked = Gauge(
            "arqade_dependency_checked_seconds",
            "How long ago it was found out whether a part could do its work",
            ("part",),
            registry=registry,
        )
        self.redis_state = Gauge(
            "arqade_redis_state",
            "1 for the state that Redis is in: up, full, read_only, away",
            ("state",),
            registry=registry,
        )
        self.redis_bytes = Gauge(
            "arqade_redis_memory_bytes", "Memory of Redis: used, and the most it may use", ("what",), registry=registry
        )
        self.host = Gauge(
            "arqade_host_used_ratio", "How much of the machine is in use, 0 to 1", ("what",), registry=registry
        )
        self.backend_errors = Counter(
            "arqade_backend_errors",
            "Errors of inference backends, by error code",
            ("backend", "code"),
            registry=registry,
        )
        self.breakers = Gauge(
            "arqade_backend_breaker",
            "State of a backend's circuit breaker: 0 closed, 1 half open, 2 open",
            ("backend",),
            registry=registry,
        )
        self.fleet_servers = Gauge(
            "arqade_fleet_server",
            "1 for the state that a server of the fleet is in: well, away, sick",
            ("server", "state"),
            registry=registry,
        )
        self.fleet_slots = Gauge(
            "arqade_fleet_slots", "Slots of a server of the fleet: busy, all", ("server", "use"), registry=registry
        )
        self.limiter_requests = Gauge(
            "arqade_limiter_requests",
            "Requests that count against a provider's limit, and how many may",
            ("limiter", "what"),
            registry=registry,
        )
        self.limiter_queued = Gauge(
            "arqade_limiter_queued",
            "Requests that wait for a slot of a provider's limit",
            ("limiter",),
            registry=registry,
        )
        self.webhook_attempts = Counter(
            "arqade_webhook_attempts",
            "Attempts to deliver a webhook, and how they ended",
            ("outcome",),
            registry=registry,
        )
        self.webhook_lag_seconds = Histogram(
            "arqade_webhook_lag_seconds",
            "Time from an event to its delivery",
            buckets=_WAIT_S,
            registry=registry,
        )
        self.webhooks_pending = Gauge(
            "arqade_webhooks_pending",
            "Outbox entries, receivers and deliveries that wait, as a worker last counted them",
            ("what",),
            registry=registry,
        )
        self.uploads = Counter("arqade_uploads", "Uploads by what became of them", ("status",), registry=registry)
        self.strays = Counter(
            "arqade_upload_strays",
            "Objects that upload URLs wrote and nobody had announced, removed: late, oversize, parts, copy",
            ("what",),
            registry=registry,
        )
        self.stray_bytes = Counter(
            "arqade_upload_stray_bytes",
            "Bytes of what upload URLs wrote and nobody had announced, removed",
            ("what",),
            registry=registry,
        )
        self.storage = Gauge(
            "arqade_stored_bytes", "Bytes of uploads and artifacts that users have stored", registry=registry
        )
        self.drift = Gauge(
            "arqade_stored_drift_bytes",
            "Bytes in the bucket that are not counted (more), or counted and not there (fewer), over all users",
            ("direction",),
            registry=registry,
        )
        self.archived = Counter(
            "arqade_jobs_archived", "Finished jobs that moved to the object store", registry=registry
        )
        self.orphans = Counter(
            "arqade_orphans_removed", "Objects that belonged to nothing and were removed", registry=registry
        )
        self.oldest_finished = Gauge(
            "arqade_oldest_finished_seconds",
            "Age of the oldest finished job in Redis: over 27 hours, moving to the object store is behind",
            registry=registry,
        )
        self.stored_bytes = Counter("arqade_artifact_bytes", "Bytes of artifacts written", registry=registry)

    def serve(self, host: str, port: int) -> None:
        """Answer `/metrics` on a port of its own, from a thread; raises OSError when the port is taken."""
        start_http_server(port, host, self.registry)

    def render(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self.registry)

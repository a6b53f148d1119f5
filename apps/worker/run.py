"""One attempt at a job, start to end.

::

    start ──► handle ──► keep artifacts ──► succeed
                │               │
                └───────────────┴──► retry | fail | cancel | release

Every way out is an `Outcome`, and one script commits it. A handler that raises anything but its vocabulary has a bug:
that costs an attempt, and the caller is told no more than that.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError

from apps.worker.attempt import LiveAttempt
from libs import limits
from libs.artifacts.artifact import Artifact
from libs.artifacts.keep import keep
from libs.artifacts.objects import Objects
from libs.backends.backends import Backends
from libs.backends.comfyui.record import OUT_OF_MEMORY
from libs.errors import Failure, Fault, Unavailable
from libs.jobs.lifecycle import Claim, Ending, Payment, finish
from libs.jobs.payload import UnknownVersionError, decode_payload
from libs.jobs.status import Status
from libs.kinds.kind import Kind, Library, Output, Wait
from libs.metrics import Metrics
from libs.queue.patience import through_outages
from libs.queue.running import Running
from libs.store.client import Store

__all__ = ["Outcome", "Runner"]

log = logging.getLogger(__name__)

_RETRY_S_BASE, _RETRY_S_MAX = 0.5, 30.0
_NEWER_WORKER_S = 5.0
_STATUSES: Mapping[Ending, Status] = {"succeed": "succeeded", "fail": "failed", "cancel": "canceled"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, and what the record is told."""

    ending: Ending
    payment: Payment = "settle"
    delay_s: float = 0.0
    output: Mapping[str, Any] | None = None
    artifacts: Sequence[Artifact] = ()
    error: Mapping[str, Any] | None = None
    #: Whether the next attempt is to be given another server of the fleet, where there is one.
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs claimed jobs; one for a worker process."""

    store: Store
    objects: Objects
    backends: Backends
    kinds: Mapping[str, Kind[Any]]
    metrics: Metrics
    library: Library
    timeout_s_max: float = 1_200.0
    upload_bytes_max: int = 50 * 1024 * 1024
    random: random.Random = field(default_factory=random.Random)

    async def run_job(self, running: Running) -> None:
        """Run one attempt and commit how it ended; raises FencedError when it was not ours any more."""
        claim = running.claim
        outcome = await self._attempt(running)
        if running.stop_reason == "lost":
            log.warning("job %s: attempt %d was lost, nothing is written", claim.job_id, claim.attempt)
            return
        await through_outages(lambda: self._commit(claim, outcome))
        self._count(claim, outcome)

    def _count(self, claim: Claim, outcome: Outcome) -> None:
        self.metrics.attempts.labels(claim.kind, outcome.ending).inc()
        if (status := _STATUSES.get(outcome.ending)) is not None:
            self.metrics.jobs.labels(claim.kind, status).inc()
        self.metrics.stored_bytes.inc(sum(artifact.size_bytes for artifact in outcome.artifacts))

    async def _commit(self, claim: Claim, outcome: Outcome) -> None:
        await finish(
            self.store,
            claim.job_id,
            claim.fence,
            outcome.ending,
            delay_s=outcome.delay_s,
            payment=outcome.payment,
            output=outcome.output,
            artifacts=outcome.artifacts,
            error=outcome.error,
            avoid=claim.server if outcome.elsewhere else "",
            out_of_memory=outcome.error is not None and outcome.error["code"] == OUT_OF_MEMORY,
        )

    async def _attempt(self, running: Running) -> Outcome:
        claim = running.claim
        kind = self.kinds.get(claim.kind)
        if kind is None:
            return Outcome("release", delay_s=_NEWER_WORKER_S)  # another worker, of another version, may know it
        if claim.attempt == 1 and claim.submission is None:
            self.metrics.wait_seconds.labels(claim.queue).observe(max(0.0, time.time() - claim.created_at_ms / 1000))
        attempt = LiveAttempt(running, self.store, self.objects, self.backends, self.library, self.upload_bytes_max)
        try:
            if claim.canceled:
                return await self._abandon(kind, running, attempt)
            with self.metrics.run_seconds.labels(claim.kind).time():
                output = await self._handle(kind, running, attempt)
                await attempt.settle()
                if isinstance(output, Wait):
                    return Outcome("wait", delay_s=output.check_in_s)
                return await self._keep(running, output)
        except asyncio.CancelledError:
            if running.stop_reason is None:
                raise
            return _stopped(kind, running)
        except Exception as error:  # noqa: BLE001  # the one place where every way to fail is told apart
            return self._failed(kind, running, attempt, error)
        finally:
            attempt.close()

    async def _handle(self, kind: Kind[Any], running: Running, attempt: LiveAttempt) -> Output | Wait:
        wanted = _read_input(kind, running.claim)
        own_s = None if kind.timeout_of is None else await kind.timeout_of(wanted, self.library)
        timeout_s = min(kind.timeout_s, self.timeout_s_max) if own_s is None else own_s
        # At the soft limit a handler is interrupted and may clean up; at the hard limit it is over.
        after_s = timeout_s if kind.soft_timeout_s is None else min(kind.soft_timeout_s, timeout_s)
        with running.handling():
            soft = asyncio.get_running_loop().call_later(after_s, running.stop, "timed_out")
            try:
                async with asyncio.timeout(timeout_s) as limit:
                    return await kind.run(wanted, attempt)
            except asyncio.CancelledError:
                if running.stop_reason != "timed_out":
                    raise
                raise _too_slow(kind.slow_fault(wanted), after_s, retryable=False) from None
            except TimeoutError:
                if not limit.expired():
                    raise
                # What an admin set for this very work is its measure: it would only run as long again.
                raise _too_slow(kind.slow_fault(wanted), timeout_s, retryable=own_s is None) from None
            finally:
                soft.cancel()

    async def _abandon(self, kind: Kind[Any], running: Running, attempt: LiveAttempt) -> Outcome:
        """Its user canceled the job while it waited at its provider, who is told."""
        if kind.abandon is not None:
            with running.handling():
                await kind.abandon(_read_input(kind, running.claim), attempt)
        return Outcome("cancel")

    async def _keep(self, running: Running, output: Output) -> Outcome:
        if len(orjson.dumps(output.value)) > limits.JOB_OUTPUT_BYTES_MAX:
            detail = f"The result has more than {limits.JOB_OUTPUT_BYTES_MAX} bytes: what is larger is for a file"
            raise Failure("output_too_large", detail, fault="caller")
        if not output.artifacts:
            return Outcome("succeed", output=output.value)
        claim = running.claim
        with running.handling():
            artifacts = await keep(
                self.objects, claim.user_id, claim.job_id, claim.created_at_ms, claim.attempt, output.artifacts
            )
        return Outcome("succeed", output=output.value, artifacts=artifacts)

    def _failed(self, kind: Kind[Any], running: Running, attempt: LiveAttempt, error: Exception) -> Outcome:
        claim = running.claim
        match error:
            case Unavailable():
                log.info("job %s waits: %s", claim.job_id, error)
                ending: Ending = "release" if attempt.submission else "unstart"
                delay_s = error.retry_in_s * self.random.uniform(0.75, 1.25)
                return Outcome(ending, delay_s=delay_s, elsewhere=error.part == "comfyui")
            case UnknownVersionError():
                return Outcome("release", delay_s=_NEWER_WORKER_S)
            case Failure():
                failure = error
            case TimeoutError():
                detail = "A part of the service took too long to answer"  # within a handler, which says no more of it
                failure = Failure("timed_out", detail, retryable=True, fault="ours")
            case _:
                log.error("job %s: a bug in the kind %s", claim.job_id, claim.kind, exc_info=error)
                failure = Failure("internal", "An internal error occurred", retryable=True)
        return self._after(kind, claim, failure)

    def _after(self, kind: Kind[Any], claim: Claim, failure: Failure) -> Outcome:
        """Another attempt, with full jitter, or the end."""
        error = {"code": failure.code, "detail": failure.detail, "retryable": failure.retryable}
        failures = claim.failures + 1
        # A device that was too small once is given the job once more, elsewhere where that is possible.
        again = failure.retryable and not (failure.code == OUT_OF_MEMORY and claim.out_of_memory)
        if again and failures < kind.attempts_max:
            delay_s = self.random.uniform(0, min(_RETRY_S_MAX, _RETRY_S_BASE * 2**failures))
            return Outcome("retry", delay_s=delay_s, error=error, elsewhere=True)
        return _failed_for_good(failure)


def _failed_for_good(failure: Failure) -> Outcome:
    error = {"code": failure.code, "detail": failure.detail, "retryable": failure.retryable}
    return Outcome("fail", payment="settle" if failure.fault == "caller" else "refund", error=error)


def _read_input(kind: Kind[Any], claim: Claim) -> Any:
    """The validated input; what was accepted once and cannot be read now is our fault, and trying again is no help."""
    try:
        return kind.input.model_validate(decode_payload(claim.payload or b"").input)
    except UnknownVersionError:
        raise
    except (ValidationError, ValueError) as error:
        log.warning("job %s: its input cannot be read: %s", claim.job_id, type(error).__name__)
        raise Failure("input_unreadable", "The stored input cannot be read by this version") from None


def _too_slow(fault: Fault, after_s: float, *, retryable: bool) -> Failure:
    """What was sent takes longer than a job may, and is charged; or we were too slow, and it is refunded."""
    told = f"The job ran longer than {after_s:g} s"
    if fault == "caller":
        return Failure("timed_out", f"{told}: what was sent is too slow, and is charged", fault="caller")
    return Failure("timed_out", f"{told}; it is not charged", retryable=retryable, fault="ours")


def _stopped(kind: Kind[Any], running: Running) -> Outcome:
    match running.stop_reason:
        case "canceled":
            return Outcome("cancel")
        case "timed_out":
            fault = kind.slow_fault(_read_input(kind, running.claim))
            return _failed_for_good(_too_slow(fault, kind.soft_timeout_s or kind.timeout_s, retryable=False))
        case _:
            return Outcome("release")

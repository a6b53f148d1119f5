"""Foreign jobs, which came through ARQ's own `enqueue_job` or its cron: ARQ runs them, and we end them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import orjson
from arq.jobs import DeserializationError, deserialize_job_raw, serialize_result
from arq.utils import timestamp_ms
from arq.worker import JobExecutionFailed, Worker

from libs.ids import new_id
from libs.jobs.dead import foreign_record
from libs.jobs.lifecycle import Claim, FencedError
from libs.jobs.payload import UnknownVersionError
from libs.jobs.scripts import FOREIGN
from libs.queue.patience import through_outages
from libs.queue.running import Running
from libs.store.client import Store

__all__ = ["ForeignJobs"]

_ANOTHER_VERSION_S = 10.0
_LOST: dict[str, str | bool] = {
    "code": "worker_lost",
    "detail": "The job was given up: every worker that ran it was lost.",
    "retryable": True,
}
_UNREADABLE: dict[str, str | bool] = {
    "code": "payload_unreadable",
    "detail": "The job was given up: its payload was not written with Arqade's serializer.",
    "retryable": False,
}


@dataclass(frozen=True, slots=True)
class _Ending:
    """`result` goes where ARQ's `Job.result()` looks, for `kept_s` (0: for ever); `retry` puts the job back instead.

    `marked_s` keeps ARQ's in-progress mark, so that a cron job of one instant runs once.
    `dead_id` and `record` are the dead one's, for `bury`.
    """

    word: Literal["finish", "retry", "bury"]
    result: bytes | None = None
    kept_s: float = 0.0
    delay_s: float = 0.0
    marked_s: float = 0.0
    dead_id: str = ""
    record: tuple[str | bytes | int, ...] = ()


async def _end(store: Store, claim: Claim, ending: _Ending) -> None:
    """Raises FencedError."""
    words = (
        *(claim.job_id, claim.queue, claim.fence, ending.word, ending.result or b""),
        *(int(ending.kept_s * 1000), int(ending.delay_s * 1000), int(ending.marked_s * 1000)),
        *(ending.dead_id, *ending.record),
    )
    if await through_outages(lambda: store.run(FOREIGN, (), words)) == b"fenced":
        raise FencedError(claim.job_id)


class ForeignJobs(Worker):
    """The half of the worker that ARQ's code runs in."""

    running: dict[str, Running]
    _store: Store

    async def _run_foreign(self, running: Running) -> None:
        claim = running.claim
        if claim.given_up:
            await self._bury(claim, _LOST)
            return
        try:
            if claim.payload is not None:
                deserialize_job_raw(claim.payload, deserializer=self.job_deserializer)
        except DeserializationError as error:
            await self._put_aside(claim, error)
            return
        with running.handling():
            await self.run_job(claim.job_id, timestamp_ms())

    async def _put_aside(self, claim: Claim, error: DeserializationError) -> None:
        """What a newer Arqade wrote is for its worker; anything else is for nobody."""
        if isinstance(error.__cause__, UnknownVersionError):
            await _end(self._store, claim, _Ending("retry", delay_s=_ANOTHER_VERSION_S))
        else:
            await self._bury(claim, _UNREADABLE)

    async def _bury(self, claim: Claim, why: dict[str, str | bool]) -> None:
        """Move the job to the dead; whoever waits for its result gets an error."""
        function = self._function_in(claim)
        now_ms = timestamp_ms()
        result = serialize_result(
            *(function, (), {}, 1, now_ms, False, JobExecutionFailed(why["detail"]), now_ms, now_ms),
            *(f"{claim.job_id}:{function}", self.queue_name, claim.job_id),
            serializer=self.job_serializer,
        )
        record = foreign_record(claim.job_id, function, orjson.dumps(why))
        ending = _Ending("bury", result, self.keep_result_s, dead_id=new_id("job"), record=record)
        await _end(self._store, claim, ending)

    def _function_in(self, claim: Claim) -> str:
        try:
            return deserialize_job_raw(claim.payload or b"", deserializer=self.job_deserializer)[0]
        except DeserializationError:
            return "unknown"

    async def finish_job(
        self,
        job_id: str,
        finish: bool,
        result_data: bytes | None,
        result_timeout_s: float | None,
        keep_result_forever: bool,
        incr_score: int | None,
        keep_in_progress: float | None,
    ) -> None:
        """End a foreign job under its fence, through an outage of Redis if need be."""
        ending = _Ending(
            "finish" if finish else "retry",
            result_data,
            kept_s=0.0 if keep_result_forever else (result_timeout_s or self.keep_result_s),
            delay_s=(incr_score or 0) / 1000,
            marked_s=keep_in_progress or 0.0,
        )
        await _end(self._store, self.running[job_id].claim, ending)

    async def finish_failed_job(self, job_id: str, result_data: bytes | None) -> None:
        """End a foreign job that could not be run."""
        await self.finish_job(job_id, True, result_data, None, self.keep_result_forever, None, None)

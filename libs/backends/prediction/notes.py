"""What the workers tell each other of the predictions that are waited for. Losing all of it costs time, and no more.

A hash of a backend's holds each prediction that some job waits for. Whoever reads the provider's list notes there what
has ended, for the job that is woken, so that it need not ask again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import orjson

from libs.backends.prediction.prediction import Prediction, read_prediction
from libs.store.client import Store
from libs.store.turns import leave_turn, take_turn

__all__ = ["Awaited", "Notes"]

#: How long an end is remembered for its job, and how large it may be: what is larger is read again.
_SEEN_S: Final = 600
_SEEN_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Awaited:
    """A prediction that a job waits for, since when by Redis's clock."""

    prediction_id: str
    job_id: str
    since_ms: int


class Notes:
    """The notes on one backend. Every method raises Unavailable while Redis is away."""

    def __init__(self, store: Store, backend: str) -> None:
        self._store = store
        self._hash = store.keys.predictions + backend
        self._turn = store.keys.prediction_poller + backend

    async def now_ms(self) -> int:
        """The time on Redis's clock."""
        seconds, micros = await self._store.call("TIME")
        return int(seconds) * 1_000 + int(micros) // 1_000

    async def adopt(self, prediction_id: str, job_id: str, since_ms: int) -> bool:
        """Say who waits for a prediction; False when another job does already."""
        if await self._store.call("HSETNX", self._hash, prediction_id, f"{job_id} {since_ms}"):
            return True
        told = await self._store.call("HGET", self._hash, prediction_id)
        return told is not None and told.decode().partition(" ")[0] == job_id

    async def forget(self, prediction_id: str, job_id: str) -> None:
        """Nobody waits for it any more."""
        await asyncio.gather(
            self._store.call("HDEL", self._hash, prediction_id),
            self._store.call("DEL", self._store.keys.prediction + job_id),
        )

    async def awaited(self) -> tuple[Awaited, ...]:
        """Every prediction that is waited for: as many as may be in flight."""
        flat = await self._store.call("HGETALL", self._hash)
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return tuple(_read_awaited(prediction_id.decode(), told.decode()) for prediction_id, told in pairs)

    async def note_end(self, job_id: str, prediction: Prediction) -> None:
        """Remember how a prediction has ended, for the job that waits for it."""
        told = orjson.dumps(prediction.as_json())
        if len(told) <= _SEEN_BYTES_MAX:
            await self._store.call("SET", self._store.keys.prediction + job_id, told, "EX", _SEEN_S)

    async def find_end(self, job_id: str, prediction_id: str) -> Prediction | None:
        """How a prediction has ended, where somebody has seen that."""
        told = await self._store.call("GET", self._store.keys.prediction + job_id)
        if told is None:
            return None
        prediction = read_prediction(orjson.loads(told))
        return prediction if prediction.id == prediction_id else None

    async def take_turn(self, worker: str, term_ms: int) -> bool:
        """Whether it is this worker who reads the provider's list now, for so long."""
        return await take_turn(self._store, self._turn, worker, term_ms)

    async def leave_turn(self, worker: str) -> None:
        """Let another worker take the turn at once."""
        await leave_turn(self._store, self._turn, worker)


def _read_awaited(prediction_id: str, told: Any) -> Awaited:
    job_id, _, since = told.partition(" ")
    return Awaited(prediction_id, job_id, int(since))

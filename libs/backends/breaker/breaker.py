"""Leave to call a backend, as long as it works."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any, Final, Literal

from libs.backends.breaker.rule import Rule
from libs.backends.breaker.scripts import ENTER, KEEP, LEAVE, LOOK
from libs.backends.breaker.shadow import Shadow, State
from libs.errors import Unavailable
from libs.ids import new_id
from libs.store.client import Store
from libs.store.connection import Word
from libs.store.script import Script

__all__ = ["Breaker", "Call"]

_STATES: Final[dict[bytes, State]] = {b"closed": "closed", b"open": "open", b"half_open": "half_open"}
_JITTER: Final = 0.2
#: How long the others wait for a probe that nobody keeps any more.
_PROBE_KEPT_S: Final = 5.0


class Call:
    """One call to a backend. A timeout, and Unavailable of that backend's own, are its failures."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._was_answered = False

    def answered(self) -> None:
        """The backend answered in its own words, if only to refuse (4xx): whatever is raised now is not its failure."""
        self._was_answered = True

    def word(self, error: BaseException | None) -> str:
        """What this call says of the backend's health; `error` is what it raised."""
        if error is None or self._was_answered:
            return "success"
        away = isinstance(error, Unavailable) and error.part == self._part
        return "failure" if away or isinstance(error, TimeoutError) else "unknown"


class Breaker:
    """One backend's breaker, shared through Redis by everyone who names it so; `part` is its word in errors.

    What is heard of it is believed for a second. While Redis is away calls are let through, unless it was open when
    last heard of: a running job's calls must not wait for Redis, and new jobs don't start without it.
    """

    def __init__(self, store: Store, name: str, rule: Rule | None = None, *, part: str | None = None) -> None:
        self.name = name
        self.rule = rule or Rule()
        self._store = store
        self._part = part or name
        self._shadow: Shadow | None = None

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[Call]:
        """Call the backend within the block. Raises Unavailable, with the time to come back, while it is left alone."""
        call, call_id = Call(self._part), new_id("call")
        is_probe = await self._enter(call_id)
        word = "unknown"
        try:
            async with self._kept(call_id) if is_probe else nullcontext():
                yield call
            word = call.word(None)
        except BaseException as error:
            word = call.word(error)
            raise
        finally:
            await self._leave(call_id, word)

    async def look(self) -> Shadow:
        """How it is now. Raises Unavailable."""
        return self._hear(await self._run(LOOK))

    async def tell(self, word: Literal["success", "failure"]) -> None:
        """How a call went that asked nobody's leave: it counts while the breaker is closed."""
        await self._leave(new_id("call"), word)

    async def _enter(self, call_id: str) -> bool:
        """Whether the call is the probe."""
        shadow, is_probe = self._shadow, False
        if shadow is None or not shadow.is_fresh(_now()):
            shadow, is_probe = await self._ask(call_id)
        if shadow.state != "closed":
            detail = f"{self._part} has failed too often and is left alone for a while"
            raise Unavailable(self._part, detail, retry_in_s=shadow.retry_in_s(_now()))
        return is_probe

    async def _ask(self, call_id: str) -> tuple[Shadow, bool]:
        """What Redis says of this call, and whether it is the probe: that passes as if the breaker were closed."""
        try:
            told = await self._run(ENTER, call_id, round(min(_PROBE_KEPT_S, self.rule.probe_s) * 1000))
        except Unavailable:
            return self._remembered(), False
        except asyncio.CancelledError:
            await self._leave(call_id, "unknown")  # it may have become the probe
            raise
        is_probe = told[0] == b"probe"
        return Shadow("closed", _now()) if is_probe else self._hear(told), is_probe

    @asynccontextmanager
    async def _kept(self, call_id: str) -> AsyncIterator[None]:
        """Keep the probe while its call is under way, and this process lives."""
        keeping = asyncio.create_task(self._keep(call_id))
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self, call_id: str) -> None:
        until = _now() + self.rule.probe_s
        while (left_s := until - _now()) > 0:
            await asyncio.sleep(_PROBE_KEPT_S / 3)
            with suppress(Unavailable):
                await self._run(KEEP, call_id, round(min(_PROBE_KEPT_S, left_s) * 1000))

    def _remembered(self) -> Shadow:
        """What to go by while Redis is away: an open phase lasts as long as it was to last, else calls go through."""
        shadow, now = self._shadow, _now()
        return shadow if shadow is not None and shadow.retry_in_s(now) > 0 else Shadow("closed", now)

    async def _leave(self, call_id: str, word: str) -> None:
        rule = self.rule
        times_ms = [round(time_s * 1000) for time_s in (rule.window_s, rule.open_s, rule.open_s_max)]
        jitter = random.uniform(1 - _JITTER, 1 + _JITTER)
        counts = (rule.failures_in_a_row, rule.calls_min)
        with suppress(Unavailable):
            self._hear(await self._run(LEAVE, call_id, word, *counts, *times_ms, jitter))

    def _hear(self, told: Sequence[Any]) -> Shadow:
        now = _now()
        word, wait_ms = told if len(told) > 1 else (*told, 0)
        self._shadow = Shadow(_STATES[word], now, now + wait_ms / 1000)
        return self._shadow

    async def _run(self, script: Script, *words: Word) -> Any:
        return await self._store.run(script, (), (self.name, *words))


def _now() -> float:
    return asyncio.get_running_loop().time()

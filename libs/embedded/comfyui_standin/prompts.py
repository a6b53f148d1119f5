"""The queue: prompts run one at a time, in order, and are kept in a history. All in memory, as with ComfyUI."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["HISTORY_MAX", "Ending", "Prompt", "Prompts"]

HISTORY_MAX = 1_000

log = logging.getLogger("comfyui_standin")


@dataclass(slots=True)
class Prompt:
    """A graph that waits or runs."""

    number: int
    prompt_id: str
    graph: Mapping[str, Any]
    client_id: str | None
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)

    def as_json(self) -> list[Any]:
        """The prompt as `/queue` and `/history` tell it."""
        extra = {} if self.client_id is None else {"client_id": self.client_id}
        return [self.number, self.prompt_id, self.graph, extra, []]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `kept` is whether the history knows of it."""

    status: str
    outputs: Mapping[str, Any]
    messages: list[tuple[str, Mapping[str, Any]]]
    kept: bool = True


class Prompts:
    """`run` runs a prompt to its end; `after` is called once the end is in the history."""

    def __init__(
        self, run: Callable[[Prompt], Awaitable[Ending]], after: Callable[[Prompt, Ending], Awaitable[None]]
    ) -> None:
        self.runs: Counter[str] = Counter()
        #: The most prompts that waited or ran at one time.
        self.most_at_once = 0
        self.interrupts: list[str | None] = []
        #: Whether nothing is run any more, whatever waits.
        self.is_dead: Callable[[], bool] = lambda: False
        self._run = run
        self._after = after
        self._pending: list[Prompt] = []
        self._running: Prompt | None = None
        self._history: dict[str, dict[str, Any]] = {}
        self._arrived = asyncio.Event()
        self._submitted = 0

    async def work(self) -> None:
        """Run whatever comes, for ever."""
        while True:
            await self._arrived.wait()
            if not self._pending or self.is_dead():
                self._arrived.clear()
                continue
            prompt = self._running = self._pending.pop(0)
            self.runs[prompt.prompt_id] += 1
            try:
                ending = await self._run(prompt)
            except Exception as error:  # the only runner: whatever is wrong with one prompt, the next ones are run
                log.exception("prompt %s could not be run to its end", prompt.prompt_id)
                ending = _broken(prompt, error)
            self._running = None
            if ending.kept:
                self._remember(prompt, ending)
            await self._tell_end(prompt, ending)

    async def _tell_end(self, prompt: Prompt, ending: Ending) -> None:
        try:
            await self._after(prompt, ending)
        except Exception:  # whoever listens asks the history as well
            log.exception("the end of prompt %s could not be told", prompt.prompt_id)

    def put(self, prompt_id: str, graph: Mapping[str, Any], client_id: str | None) -> Prompt:
        """Queue a graph. Nobody asks whether the id was here before: it runs again."""
        self._submitted += 1
        prompt = Prompt(self._submitted, prompt_id, graph, client_id)
        self._pending.append(prompt)
        self.most_at_once = max(self.most_at_once, self.remaining)
        self._arrived.set()
        return prompt

    def delete(self, prompt_id: str) -> bool:
        """Take a waiting prompt out; no event and no history entry follow."""
        kept = [prompt for prompt in self._pending if prompt.prompt_id != prompt_id]
        found = len(kept) < len(self._pending)
        self._pending = kept
        return found

    def interrupt(self, prompt_id: str | None) -> bool:
        """Interrupt a running prompt; without an id whatever runs, anyone's."""
        self.interrupts.append(prompt_id)
        if self._running is None or prompt_id not in (None, self._running.prompt_id):
            return False
        self._running.interrupted.set()
        return True

    def forget_all(self) -> None:
        """Lose queue and history, as a restart does."""
        self._pending.clear()
        self._history.clear()

    @property
    def remaining(self) -> int:
        """How many wait or run."""
        return len(self._pending) + (self._running is not None)

    def queue_json(self) -> dict[str, Any]:
        """What `/queue` tells."""
        running = [self._running.as_json()] if self._running else []
        return {"queue_running": running, "queue_pending": [prompt.as_json() for prompt in self._pending]}

    def history_json(self, prompt_id: str | None = None) -> dict[str, Any]:
        """What `/history` tells: nothing of what still waits or runs."""
        if prompt_id is None:
            return self._history
        return {prompt_id: self._history[prompt_id]} if prompt_id in self._history else {}

    def job_json(self, prompt_id: str) -> dict[str, Any] | None:
        """What `/api/jobs/{id}` tells."""
        if entry := self._history.get(prompt_id):
            return _job_of(prompt_id, entry)
        if self._running and self._running.prompt_id == prompt_id:
            return {"id": prompt_id, "status": "in_progress", "priority": self._running.number, "outputs_count": 0}
        for prompt in self._pending:
            if prompt.prompt_id == prompt_id:
                return {"id": prompt_id, "status": "pending", "priority": prompt.number, "outputs_count": 0}
        return None

    def _remember(self, prompt: Prompt, ending: Ending) -> None:
        status = {"status_str": ending.status, "completed": ending.status == "success", "messages": ending.messages}
        self._history[prompt.prompt_id] = {
            "prompt": prompt.as_json(),
            "outputs": ending.outputs,
            "status": status,
            "meta": {},
        }
        if len(self._history) > HISTORY_MAX:
            del self._history[next(iter(self._history))]


def _broken(prompt: Prompt, error: Exception) -> Ending:
    """The end of a prompt that the stand-in itself could not run, told as an error of a node's."""
    told = {
        "prompt_id": prompt.prompt_id,
        "node_id": "",
        "node_type": "",
        "exception_type": type(error).__name__,
        "exception_message": f"the stand-in is broken: {error}",
        "traceback": [],
        "executed": [],
    }
    return Ending("error", {}, [("execution_error", told)])


def _job_of(prompt_id: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    status = entry["status"]
    job = {
        "id": prompt_id,
        "status": "completed" if status["status_str"] == "success" else "failed",
        "priority": entry["prompt"][0],
        "outputs_count": sum(len(files) for media in entry["outputs"].values() for files in media.values()),
        "outputs": entry["outputs"],
        "execution_status": status,
        "workflow": {"prompt": entry["prompt"][2], "extra_data": entry["prompt"][3]},
    }
    errors = [data for name, data in status["messages"] if name == "execution_error"]
    return {**job, "execution_error": errors[0]} if errors else job

"""ComfyUI stand-ins of a fault run: processes that are killed, frozen and started again, and the story of each.

A server writes down what it is given and what it runs, a line an event, so that killing it loses nothing of that.

::

    python -m tests.faults.standins <story> --port 20123 --step-ms 5
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from libs.backends.comfyui.run import prompt_id_of
from libs.embedded.comfyui_standin.__main__ import main
from libs.embedded.comfyui_standin.execution import Execution
from libs.embedded.comfyui_standin.prompts import Ending, Prompt, Prompts
from libs.embedded.part import Part, http_answers
from libs.embedded.ports import Ports
from libs.embedded.process import Child, start_child
from tests.faults.servers import Breakable
from tests.patience import PATIENCE_S
from tests.servers import running

__all__ = ["Life", "StandinServer", "backends_file", "fleet_file", "lives_of_jobs", "standins"]

_ROOT = Path(__file__).parents[2]
_SERVING = frozenset({200})
_SUBMISSIONS_MAX = 30


@dataclass(frozen=True, slots=True)
class Life:
    """A prompt's life at a server, in seconds since the epoch."""

    prompt: str
    server: str
    began: float
    ended: float
    ran: bool


@dataclass
class StandinServer:
    """One server of the fleet, seen from outside."""

    name: str
    slots: int
    port: int
    story: Path
    breaker: Breakable

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """kill -9: queue, history and files are gone."""
        tell(self.story, said="killed")
        self.breaker.kill()

    def fail(self, *faults: Mapping[str, Any]) -> None:
        """Switch to these faults, each `{"name", "path", "times"}`."""
        httpx.post(f"{self.url}/standin/faults", json={"faults": faults}, timeout=PATIENCE_S).raise_for_status()

    def left(self) -> int:
        """How many prompts wait or run."""
        told = httpx.get(f"{self.url}/queue", timeout=PATIENCE_S).json()
        return len(told["queue_running"]) + len(told["queue_pending"])

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.story.read_text().splitlines()]

    def most_at_once(self) -> int:
        """The most prompts that waited or ran at one time."""
        return max((event["alive"] for event in self.events() if event["said"] == "taken"), default=0)

    def killed_between(self, began: float, ended: float) -> bool:
        """Whether it was killed then: whatever it ran or had run is gone."""
        return any(event["said"] == "killed" and began <= event["at"] <= ended for event in self.events())

    def lives(self) -> list[Life]:
        """The life of each prompt, from when it was taken until it ended, or its server did."""
        alive: dict[str, tuple[float, bool]] = {}
        found = []
        for event in self.events():
            prompt, at = event.get("prompt", ""), event["at"]
            if event["said"] == "taken":
                alive[prompt] = (at, False)
            elif event["said"] == "begun":
                alive[prompt] = (alive[prompt][0], True)
            elif event["said"] == "ended":
                found.append(Life(prompt, self.name, alive[prompt][0], at, alive.pop(prompt)[1]))
            else:
                found += [Life(each, self.name, began, at, ran) for each, (began, ran) in alive.items()]
                alive.clear()
        assert not alive, f"{self.name} still has {alive}"
        return found


@contextmanager
def standins(folder: Path, slots: Mapping[str, int], *, step_ms: float) -> Iterator[list[StandinServer]]:
    """Start one server for each name, with so many slots."""
    ports = Ports(folder / "standins.json")
    with ExitStack() as stack:
        found = []
        for name, its_slots in slots.items():
            port, story = ports.port_for(name), folder / f"{name}.story"
            part = _part(folder, name, port, story, step_ms)
            breaker = Breakable(part, stack.enter_context(running(part)))
            stack.callback(breaker.end)
            found.append(StandinServer(name, its_slots, port, story, breaker))
        yield found


def _part(folder: Path, name: str, port: int, story: Path, step_ms: float) -> Part:
    def spawn() -> Child:
        command = [sys.executable, "-P", "-m", "tests.faults.standins", str(story)]
        return start_child(
            name,
            [*command, "--port", str(port), "--step-ms", str(step_ms)],
            log=folder / f"{name}.log",
            environment={"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)},
        )

    return Part(name, spawn, answers=partial(http_answers, "127.0.0.1", port, "/system_stats", _SERVING))


def backends_file(folder: Path, servers: Sequence[StandinServer], breaker: str) -> Path:
    """The file that tells workers of these servers."""
    return fleet_file(folder, {server.name: (server.url, server.slots) for server in servers}, breaker)


def fleet_file(folder: Path, servers: Mapping[str, tuple[str, int]], breaker: str) -> Path:
    """The same of any servers: address and slots by name; `breaker` is the rule as TOML."""
    lines = ["[comfyui]", 'protocol = "comfyui"', f"breaker = {{ {breaker} }}"]
    for name, (url, slots) in servers.items():
        lines += ["[[comfyui.servers]]", f'name = "{name}"', f'url = "{url}"', f"slots = {slots}"]
    file = folder / "backends.toml"
    file.write_text("\n".join(lines))
    return file


def lives_of_jobs(servers: Sequence[StandinServer], job_ids: Sequence[str]) -> dict[str, list[Life]]:
    """The lives of each job's prompts, in their order; fails on a prompt that is nobody's."""
    owners = {prompt_id_of(job_id, number): job_id for job_id in job_ids for number in range(1, _SUBMISSIONS_MAX)}
    found: dict[str, list[Life]] = {job_id: [] for job_id in job_ids}
    for life in sorted((life for server in servers for life in server.lives()), key=lambda life: life.began):
        found[owners[life.prompt]].append(life)
    return found


def tell(story: Path, **event: Any) -> None:
    """Add an event: one write, which a kill leaves whole or undone."""
    with story.open("ab", buffering=0) as file:
        file.write(json.dumps({"at": time.time(), **event}).encode() + b"\n")


def write_down(story: Path) -> None:
    """From now on every prompt of this process is told of."""
    put, delete, run = Prompts.put, Prompts.delete, Execution.run

    def told_put(self: Prompts, prompt_id: str, *members: Any) -> Prompt:
        prompt = put(self, prompt_id, *members)
        tell(story, said="taken", prompt=prompt_id, alive=self.remaining)
        return prompt

    def told_delete(self: Prompts, prompt_id: str) -> bool:
        found = delete(self, prompt_id)
        if found:
            tell(story, said="ended", prompt=prompt_id)
        return found

    async def told_run(self: Execution, prompt: Prompt) -> Ending:
        tell(story, said="begun", prompt=prompt.prompt_id)
        ending = await run(self, prompt)
        tell(story, said="ended", prompt=prompt.prompt_id)
        return ending

    wraps = {"put": (Prompts, told_put), "delete": (Prompts, told_delete), "run": (Execution, told_run)}
    for name, (owner, wrapped) in wraps.items():
        setattr(owner, name, wrapped)


if __name__ == "__main__":
    written = Path(sys.argv.pop(1))
    written.touch()
    write_down(written)
    main()

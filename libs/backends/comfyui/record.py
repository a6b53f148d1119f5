"""What ComfyUI knows of a prompt, told the same way by both generations of its API. Pure: JSON in, a Record out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from libs.backends.comfyui.scrub import scrubbed
from libs.errors import Failure, Unavailable

__all__ = [
    "DEVICE_FAULT",
    "OUT_OF_MEMORY",
    "SERVER_STUCK",
    "UNKNOWN",
    "Record",
    "State",
    "read_history",
    "read_job",
    "read_queue",
]

State = Literal["unknown", "pending", "running", "completed", "failed", "interrupted"]

_JOB_STATES: Mapping[str, State] = {
    "pending": "pending",
    "in_progress": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "interrupted",
}
#: Codes of the failures that say more of the server than of the job.
OUT_OF_MEMORY: Final = "out_of_memory"
DEVICE_FAULT: Final = "device_fault"
SERVER_STUCK: Final = "backend_stuck"

_MESSAGE_CHARACTERS_MAX = 300
_WHOLE_CHARACTERS_MAX = 8_000
_PASSING_SIGNS = ("connection", "network", "timed out", "timeout", "temporarily", "too many requests", "unreachable")
_OUT_OF_MEMORY_SIGNS = ("out of memory", "outofmemory", "allocation on device")
#: What CUDA and ROCm say when the process, or the card, is past use until somebody restarts it.
_DEVICE_FAULT_SIGNS = (
    "acceleratorerror",
    "cublas_status",
    "cuda error",
    "cudnn_status",
    "device-side assert",
    "hip error",
    "illegal memory access",
    "uncorrectable ecc",
    "unspecified launch failure",
)


@dataclass(frozen=True, slots=True)
class Record:
    """A prompt as its server sees it; `outputs` by node, `error` as its execution_error event told it.

    `cached` are the nodes that were not run, since the server knew what they make.
    """

    state: State
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)
    cached: frozenset[str] = frozenset()

    @property
    def alive(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("pending", "running")

    @property
    def out_of_memory(self) -> bool:
        """Whether it failed for want of memory on the device."""
        return any(sign in self._told for sign in _OUT_OF_MEMORY_SIGNS)

    @property
    def device_fault(self) -> bool:
        """Whether it failed because its device no longer works."""
        return not self.out_of_memory and any(sign in self._told for sign in _DEVICE_FAULT_SIGNS)

    @property
    def _told(self) -> str:
        return f"{self.error.get('exception_type', '')} {self.error.get('exception_message', '')}".lower()

    def failure(self) -> Failure:
        """Why a failed prompt failed, for the caller's eyes: node and message, never the traceback beside them."""
        if self.out_of_memory:
            return Failure(OUT_OF_MEMORY, "the backend ran out of memory", retryable=True)
        if self.device_fault:
            return Failure(DEVICE_FAULT, "the backend's device reported a fault", retryable=True)
        node, node_type = self.error.get("node_id", "?"), self.error.get("node_type", "?")
        kind = str(self.error.get("exception_type", "")).rpartition(".")[2] or "error"
        lines = str(self.error.get("exception_message", "")).strip().splitlines() or ["no message"]
        detail = f"node {node} ({node_type}) failed: {kind}: {scrubbed(lines[0])}"
        return Failure("execution_failed", detail[:_MESSAGE_CHARACTERS_MAX], retryable=self._may_pass)

    @property
    def _may_pass(self) -> bool:
        """Whether the same graph may do better another time: a node that asked the network, or waited for something.

        Any other error would only come again.
        """
        return any(sign in self._told for sign in _PASSING_SIGNS)

    @property
    def whole_error(self) -> str:
        """All that the server said, for the operator's log."""
        trace = self.error.get("traceback")
        lines = "".join(map(str, trace)) if isinstance(trace, list) else ""
        return f"{self._told.strip()}\n{lines}"[:_WHOLE_CHARACTERS_MAX]


UNKNOWN = Record("unknown")


def read_job(job: Mapping[str, Any]) -> Record:
    """Read the answer of `/api/jobs/{id}`; raises Unavailable when it makes no sense."""
    state = _JOB_STATES.get(str(job.get("status")))
    if state is None:
        raise Unavailable("comfyui", "comfyui tells a job's status in a word we do not know")
    if state in ("pending", "running"):
        return Record(state)
    record = _ended(state, job.get("outputs"), job.get("execution_status"))
    return record if record.error else replace(record, error=_mapping(job.get("execution_error")))


def read_history(history: Mapping[str, Any], prompt_id: str) -> Record:
    """Read the answer of `/history/{id}`. A prompt that still waits or runs is unknown to it."""
    entry = history.get(prompt_id)
    if not isinstance(entry, dict):
        return UNKNOWN
    status = _mapping(entry.get("status"))
    return _ended("failed" if status.get("status_str") == "error" else "completed", entry.get("outputs"), status)


def read_queue(queue: Mapping[str, Any], prompt_id: str) -> Record:
    """Read the answer of `/queue`; raises Unavailable when it makes no sense."""
    states: tuple[tuple[str, State], ...] = (("queue_running", "running"), ("queue_pending", "pending"))
    for name, state in states:
        entries = queue.get(name)
        if not isinstance(entries, list):
            raise Unavailable("comfyui", "comfyui tells its queue in a way we do not know")
        if any(isinstance(entry, list) and entry[1:2] == [prompt_id] for entry in entries):
            return Record(state)
    return UNKNOWN


def _ended(state: State, outputs: object, status: object) -> Record:
    """An interrupted prompt is told as a failed one; only its messages tell it apart."""
    messages = dict(_messages(status))
    if state == "failed" and "execution_interrupted" in messages:
        state = "interrupted"
    cached = messages.get("execution_cached", {}).get("nodes")
    names = frozenset(node for node in cached if isinstance(node, str)) if isinstance(cached, list) else frozenset()
    return Record(state, _mapping(outputs), messages.get("execution_error", {}), names)


def _messages(status: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    messages = _mapping(status).get("messages")
    for entry in messages if isinstance(messages, list) else ():
        match entry:
            case [str(name), dict(data), *_]:
                yield name, data


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

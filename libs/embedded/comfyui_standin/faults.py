"""What goes wrong on demand. A fault strikes `times` times (always, where that is not given), then it is spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["NAMES", "Fault", "Faults"]

#: Faults of an answer strike requests whose path begins with `path`; the others strike runs and sockets.
NAMES: Mapping[str, str] = {
    # of an answer
    "hang": "the request is never answered",
    "status_500": "500 and a text",
    "html": "200 and an HTML page, as a proxy would answer",
    "garbage": "200 and bytes that are no JSON",
    "cut": "the connection is cut in the middle of the answer",
    "deaf": "the request is carried out, but its answer never arrives",
    "huge": "a body of 1 GB that does not say so",
    "huge_declared": "a body of 1 GB that does",
    "drip": "one byte of the body every 50 ms",
    # of a submission
    "partial": "200 with node_errors: accepted, some outputs left out",
    "traceback": "400 with a traceback in it",
    # of a run
    "error": "a node raises",
    "out_of_memory": "a node finds no memory on the device",
    "device_fault": "a node finds the device broken",
    "interrupted": "the run is interrupted by someone else",
    "vanish": "the prompt is gone in the middle of its run, as after a restart",
    "forget": "the run ends well, but the history does not keep it",
    "no_outputs": "the run ends well and leaves no files",
    "silent": "a sampler shows no progress",
    "dead_runner": "what is submitted waits for ever, and nothing runs",
    "deaf_node": "a node goes on whatever is interrupted",
    "wrong_bytes": "the files are saved with other bytes than their names say",
    "half_bytes": "the files are saved by half",
    "files_gone": "the files are gone when they are asked for",
    # of a socket
    "drop": "the socket is cut at the middle of the run",
    "mute": "the socket says nothing of the run",
    "gibberish": "the socket sends messages that make no sense",
}


@dataclass(slots=True)
class Fault:
    """One fault; raises ValueError when there is none of that name."""

    name: str
    path: str = "/"
    times: int | None = None

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"no fault is named {self.name!r}")


class Faults:
    """The faults that are on."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = list(faults)

    def replace(self, faults: Iterable[Mapping[str, Any]]) -> None:
        """Switch to these faults, each `{"name", "path", "times"}`."""
        self._faults = [Fault(**fault) for fault in faults]

    def strikes(self, *names: str, path: str = "/") -> str | None:
        """The name of the first of these faults that strikes now; it is used up by one."""
        for fault in self._faults:
            if fault.name in names and path.startswith(fault.path) and fault.times != 0:
                if fault.times is not None:
                    fault.times -= 1
                return fault.name
        return None

"""The ComfyUI stand-in as a part: it speaks ComfyUI's protocol and draws test pictures, for machines without one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from libs.embedded.part import Part, http_answers
from libs.embedded.process import Child, start_child

__all__ = ["standin"]

_SERVING = frozenset({200})


def standin(*, port: int, log: Path, pid_file: Path, environment: Mapping[str, str]) -> Part:
    """The stand-in on loopback; `environment` lets Python find this package."""

    def spawn() -> Child:
        return start_child(
            "comfyui stand-in",
            [
                *(sys.executable, "-P", "-m", "libs.embedded.comfyui_standin"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            log=log,
            environment=environment,
            pid_file=pid_file,
        )

    return Part(
        name="comfyui stand-in",
        spawn=spawn,
        answers=lambda: http_answers("127.0.0.1", port, "/system_stats", _SERVING),
        settings={"COMFYUI_URL": f"http://127.0.0.1:{port}"},
    )

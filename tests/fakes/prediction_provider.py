"""A prediction API that forgives nothing: Replicate's protocol on a real socket, in its own process, on a fast clock.

    python -m tests.fakes.prediction_provider --speed 10        prints its port

The schema is the published one (https://api.replicate.com/openapi.json, `schemas_prediction_request` with
`additionalProperties: false`, and `schemas_prediction_response`); limits, errors and webhooks are as documented
(https://replicate.com/docs/topics/predictions/rate-limits, …/webhooks/verify-webhook). `speed` divides every time of
its own: the minute that its limits count in, how long a prediction takes, how long an output is kept.

POST /v1/models/{owner}/{name}/predictions, POST /v1/predictions      401 404 422 429, or 201
GET  /v1/predictions?cursor, /v1/predictions/{id}; POST …/{id}/cancel  counted apart from creations
GET  /files/{id}/{n}                                                  an output, 404 once it has expired
GET  /figures                                                         what it has seen
POST /faults                                                          what happens to the next requests, see FAULTS

The model's `behaviour` says how one prediction goes: see BEHAVIOURS.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import uvicorn

from libs.embedded.process import tied_to_us
from tests.fakes.prediction_api import MODEL, TOKEN, Application
from tests.patience import PATIENCE_S

__all__ = ["PredictionProvider", "prediction_provider"]

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class PredictionProvider:
    """A running one, seen from outside."""

    port: int
    pid: int
    speed: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def window_s(self) -> float:
        """The minute of its clock, in our seconds."""
        return 60 / self.speed

    def settings(self, **changes: Any) -> dict[str, Any]:
        """What a process of ours has to be told to use it."""
        told = {
            "replicate_url": self.url,
            "replicate_api_token": TOKEN,
            "replicate_window_s": self.window_s,
            "replicate_image_model": MODEL,
            "egress_allowed_hosts": f"127.0.0.1:{self.port}",
        }
        return told | changes

    def figures(self) -> dict[str, Any]:
        return cast("dict[str, Any]", httpx.get(f"http://127.0.0.1:{self.port}/figures", timeout=PATIENCE_S).json())

    def counts(self) -> Counter[str]:
        """created, listed, got, canceled, fetched, webhooks, `create refused`, `read refused`, …"""
        return Counter(self.figures()["counts"])

    def fail_next(self, bucket: str, *faults: str) -> None:
        """What happens to the next requests to `create` or to `read`, or to the next `webhook`."""
        httpx.post(f"http://127.0.0.1:{self.port}/faults", json={bucket: faults}, timeout=PATIENCE_S).raise_for_status()


@contextmanager
def prediction_provider(
    *, speed: float = 60.0, predict_s: float = 60.0, limit: int = 450, reads: int = 3_000, webhooks: bool = True
) -> Iterator[PredictionProvider]:
    """Start one and wait until it listens; killed at the end."""
    numbers = ["--limit", str(limit), "--reads", str(reads), "--speed", str(speed), "--predict", str(predict_s)]
    flags = [] if webhooks else ["--no-webhooks"]
    command = tied_to_us([sys.executable, "-m", "tests.fakes.prediction_provider", *numbers, *flags])
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield PredictionProvider(int(process.stdout.readline()), process.pid, speed)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=450, help="creations a minute of its clock")
    parser.add_argument("--reads", type=int, default=3_000, help="reads a minute of its clock")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--predict", type=float, default=60.0, help="seconds of its clock that a prediction takes")
    parser.add_argument("--no-webhooks", action="store_true")
    wanted = parser.parse_args(arguments)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        served = Application(wanted.limit, wanted.reads, wanted.speed, wanted.predict, not wanted.no_webhooks, host)
        print(listening.getsockname()[1], flush=True)
        config = uvicorn.Config(served.app, log_level="critical", lifespan="off", timeout_keep_alive=120)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()

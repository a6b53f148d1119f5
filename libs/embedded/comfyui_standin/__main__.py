"""`python -m libs.embedded.comfyui_standin`: serve until SIGTERM or Ctrl-C.

One line of JSON on standard output says where, once the port is open; everything else goes to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys

import orjson

from libs.embedded.comfyui_standin.nodes import CHECKPOINTS
from libs.embedded.comfyui_standin.server import Standin

__all__ = ["main"]

_LOG = logging.getLogger("comfyui_standin")


def main() -> None:
    """Read the command line and serve."""
    options = argparse.ArgumentParser(prog="comfyui_standin", description="A stand-in that speaks ComfyUI's protocol.")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8188, help="0 takes a free one")
    options.add_argument("--step-ms", type=float, default=20.0, help="how long one sampling step takes")
    options.add_argument("--generation", choices=("newest", "older"), default="newest")
    options.add_argument("--checkpoint", action="append", help="one that it has, may be given again; without: all")
    chosen = options.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    standin = Standin(
        step_ms=chosen.step_ms, generation=chosen.generation, checkpoints=chosen.checkpoint or CHECKPOINTS
    )
    asyncio.run(_serve(standin, chosen.host, chosen.port))


async def _serve(standin: Standin, host: str, port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with standin.listening(host, port) as bound:
        sys.stdout.buffer.write(orjson.dumps({"host": host, "port": bound, "stand_in": "comfyui"}) + b"\n")
        sys.stdout.flush()
        _LOG.info("a stand-in for ComfyUI listens on %s:%s; its pictures are test pictures", host, bound)
        await stopped.wait()
    _LOG.info("stopped")


if __name__ == "__main__":
    main()

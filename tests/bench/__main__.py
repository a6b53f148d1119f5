"""Every measurement, one after the other: `make bench`, about five minutes.

    python -m tests.bench [--peers] [--full]

--peers: saq, taskiq and streaq too, each in an environment of its own below bench-out/. --full: scripts with
1,000,000 jobs queued, more rounds of everything. Each module of this folder runs alone, too.
"""

from __future__ import annotations

import argparse
import os
import platform
import time

from tests.bench import admission, bodies, drain, pick_up, scripts, worker
from tests.bench.redis import fresh_redis, info


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--full", action="store_true")
    wanted = parser.parse_args()
    peers = ["--peers"] if wanted.peers else []
    rounds = ["--rounds", "5" if wanted.full else "3"]
    began_at = time.monotonic()
    print(_machine())
    admission.main(rounds)
    bodies.main([])
    pick_up.main([*rounds, *peers])
    drain.main([*rounds, *peers])
    worker.main([])
    scripts.main(["--full"] if wanted.full else [])
    print(f"\n{time.monotonic() - began_at:.0f} s; {_load()}")


def _machine() -> str:
    with fresh_redis() as (server, _):
        facts = info(server, "server")
    redis = f"Valkey {facts['valkey_version']}" if "valkey_version" in facts else f"Redis {facts['redis_version']}"
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {redis} without an append-only file; {_load()}"


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()

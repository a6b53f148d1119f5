"""A task that never answers."""

from __future__ import annotations

import time
from typing import Final

from libs.backends.cage import Job, Profile

__all__ = ["PROFILE", "serve"]

PROFILE: Final = Profile(memory_bytes_max=1024**3)


def serve(job: Job) -> None:
    """Wait for whoever loses patience."""
    while True:
        time.sleep(60)

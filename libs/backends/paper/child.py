"""The task of `PageCounter`: a PDF is given, the number of its pages told."""

from __future__ import annotations

from typing import Final

import pypdfium2

from libs.backends.cage import Job, Profile

__all__ = ["PROFILE", "serve"]

PROFILE: Final = Profile(memory_bytes_max=1024**3, cpu_s_max=10)


def serve(job: Job) -> None:
    """Count the pages of one file."""
    job.say({"pages": len(pypdfium2.PdfDocument(job.given()))})

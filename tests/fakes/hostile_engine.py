"""The same as `hostile`, in the bounds of an engine: it has threads and reads code, and may start one program."""

from __future__ import annotations

from typing import Final

from libs.backends.cage import Profile
from libs.backends.ocr.needs import programs_of, readable_by
from tests.fakes.hostile import serve

__all__ = ["PROFILE", "serve"]

_PROGRAM = "/usr/bin/env"  # stands for tesseract

PROFILE: Final = Profile(
    memory_bytes_max=4 * 1024**3,
    readable=readable_by(_PROGRAM),
    programs=programs_of(_PROGRAM),
    threads=True,
    as_nobody=False,
)

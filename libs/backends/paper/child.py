"""The child of `PageCounter`: a PDF on its input, the number of its pages on its output."""

from __future__ import annotations

import sys

import pypdfium2

from libs.backends import cage

__all__ = ["main"]

_CPU_S_MAX = 10.0
_MEMORY_BYTES_MAX = 1024 * 1024 * 1024


def main(parent_pid: int) -> int:
    """Count the pages of one file; the exit code."""
    return cage.answer_once(_count, parent_pid, cpu_s_max=_CPU_S_MAX, memory_bytes_max=_MEMORY_BYTES_MAX)


def _count(data: bytes) -> bytes:
    return b"%d" % len(pypdfium2.PdfDocument(data))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

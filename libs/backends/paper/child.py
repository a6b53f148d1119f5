"""The child of `PageCounter`: a PDF on its input, the number of its pages on its output."""

from __future__ import annotations

import sys

import pypdfium2

from libs.backends import cage

__all__ = ["main"]

_UNREADABLE = 3
_CPU_S_MAX = 10.0
_MEMORY_BYTES_MAX = 1024 * 1024 * 1024


def main(parent_pid: int) -> int:
    """Count the pages of one file; the exit code."""
    cage.die_with_parent()
    if cage.orphaned(parent_pid):
        return _UNREADABLE
    cage.no_network()
    cage.limit_memory(_MEMORY_BYTES_MAX)
    cage.allow_cpu_s(_CPU_S_MAX)
    try:
        count = len(pypdfium2.PdfDocument(sys.stdin.buffer.read()))
    except Exception:  # noqa: BLE001  # a parser of foreign bytes raises what it likes; all of it means the same
        return _UNREADABLE
    sys.stdout.buffer.write(b"%d" % count)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

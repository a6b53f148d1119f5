"""How far a text is from what it should be."""

from __future__ import annotations

__all__ = ["error_rate"]


def error_rate(read: str, written: str) -> float:
    """Character error rate: Levenshtein's distance over the length of what was written; white space counts as one."""
    found, wanted = " ".join(read.split()), " ".join(written.split())
    row = list(range(len(wanted) + 1))
    for i, letter in enumerate(found, start=1):
        diagonal, row[0] = row[0], i
        for j, expected in enumerate(wanted, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (letter != expected))
    return row[-1] / len(wanted)

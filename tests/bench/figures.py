"""Figures: medians, percentiles, and tables of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

__all__ = ["median", "percentile", "print_table", "ratio", "spread"]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them (0 to 1) do not exceed: nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, round(share * len(ranked)) - 1))]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios round by round: what a machine does to both in one round cancels out."""
    return median([mine / other for mine, other in zip(ours, theirs, strict=True)])


def spread(values: Sequence[float]) -> str:
    """`median (lowest to highest)` for a table."""
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def print_table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[object]]) -> None:
    """A table in Markdown, so that it can be kept as it is; floats get three digits that count."""
    print(f"\n{title}\n")
    print(f"| | {' | '.join(columns)} |")
    print(f"|---|{'---|' * len(columns)}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(_cell(cell) for cell in cells)} |")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

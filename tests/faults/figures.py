"""What a fault run measured, for the table at the end."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["FIGURES", "Figures", "percentile"]


class Figures:
    """Lines of the table, in the order in which they were noted."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    def note(self, fault: str, what: str, value: float | str) -> None:
        self.lines.append((fault, what, value if isinstance(value, str) else f"{value:g}"))

    def table(self) -> list[str]:
        widths = [max((len(line[column]) for line in self.lines), default=0) for column in range(2)]
        ordered = sorted(self.lines, key=lambda line: int("".join(filter(str.isdigit, line[0])) or 0))
        return [f"{fault:<{widths[0]}}  {what:<{widths[1]}}  {value}" for fault, what, value in ordered]


#: One for the whole session: pytest prints it at its end.
FIGURES = Figures()


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of them do not exceed; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0

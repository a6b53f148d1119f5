"""Charts for the docs: lines over time, as SVG written by hand, readable on light and dark pages alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Line", "chart"]

_WIDTH, _HEIGHT = 860, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 16, 76, 46
_FONT = 'font-family="system-ui, sans-serif" font-size="13"'


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; `marks` are moments worth a tick at the bottom."""

    name: str
    color: str
    points: Sequence[tuple[float, float]]
    marks: Sequence[float] = ()


def chart(
    title: str, below: str, lines: Sequence[Line], *, across: tuple[float, float], up: tuple[float, float], limit: float
) -> str:
    """An SVG of lines between the given bounds, with a dashed line at `limit`."""
    frame = _Frame(across, up)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" {_FONT}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 24, title, weight="600"),
        *[part for number, line in enumerate(lines) for part in _legend(number, line)],
        *frame.grid(below),
        frame.across_at(limit, 'stroke="#a11" stroke-dasharray="6 4"'),
        *[part for line in lines for part in frame.draw(line)],
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Frame:
    """Where values lie on the picture."""

    def __init__(self, across: tuple[float, float], up: tuple[float, float]) -> None:
        self._across, self._up = across, up

    def x(self, value: float) -> float:
        low, high = self._across
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._up
        return _HEIGHT - _BOTTOM - (max(low, value) - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def grid(self, below: str) -> list[str]:
        rows = range(int(self._up[0]), int(self._up[1]) + 1, 10)
        columns = range(int(self._across[0]), int(self._across[1]) + 1, 60)
        return [
            *[self.across_at(value, 'stroke="#ddd"') for value in rows],
            *[_text(_LEFT - 8, self.y(value) + 4, str(value), anchor="end") for value in rows],
            *[_text(self.x(value), _HEIGHT - _BOTTOM + 18, str(value), anchor="middle") for value in columns],
            _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, below, anchor="middle"),
        ]

    def across_at(self, value: float, stroke: str) -> str:
        y = self.y(value)
        return f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" {stroke}/>'

    def draw(self, line: Line) -> list[str]:
        points = " ".join(f"{self.x(at):.1f},{self.y(value):.1f}" for at, value in line.points)
        bottom = _HEIGHT - _BOTTOM
        return [
            f'<polyline points="{points}" fill="none" stroke="{line.color}" stroke-width="1.4"/>',
            *[
                f'<line x1="{self.x(at):.1f}" x2="{self.x(at):.1f}" y1="{bottom}" y2="{bottom - 12}"'
                f' stroke="{line.color}" stroke-width="2"/>'
                for at in line.marks
            ],
        ]


def _legend(number: int, line: Line) -> list[str]:
    y = 44 + 18 * number
    return [
        f'<line x1="{_LEFT}" x2="{_LEFT + 22}" y1="{y - 4}" y2="{y - 4}" stroke="{line.color}" stroke-width="3"/>',
        _text(_LEFT + 30, y, line.name),
    ]


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "400") -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="#333"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'

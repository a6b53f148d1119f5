"""JSON as a text: how many values and members it has, and how deep it is nested, told before a tree is built.

A tree takes many times its text in memory and time, so what one route takes is held against its ceilings first. A text
is looked through in windows, each a few hundred µs of C: between two of them others get their turn.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from libs import limits
from libs.errors import Refusal

__all__ = ["Ceilings", "Look", "OddError", "end_of_value", "surely_few"]

_WINDOW_BYTES: Final = 16 * 1024
#: A string, up to its end or to that of the window; possessive, so that nothing is looked at twice.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)', re.DOTALL)
_REST_OF_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+("?)', re.DOTALL)
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)|[][{},]', re.DOTALL)
_SCALAR: Final = re.compile(rb"[^ \t\n\r,\]}]++")
_QUOTE: Final = ord('"')
_COMMA: Final = ord(",")
_ALL_BUT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_OPENING: Final = frozenset(b"[{")


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a body may have: bytes (None: as many as any body), values (members and elements), and levels of nesting."""

    bytes_max: int | None = None
    values_max: int = limits.JSON_VALUES_MAX
    depth_max: int = limits.JSON_DEPTH_MAX


def surely_few(text: bytes, values_max: int) -> bool:
    """Whether it has no more values than that, at a glance: those in strings are counted too."""
    return text.count(b",") + text.count(b"[") + text.count(b"{") < values_max


class Look:
    """One look through a text. What it found, once `windows` has run out, is true of every text that is JSON."""

    def __init__(self, text: bytes, ceilings: Ceilings) -> None:
        self._text = text
        self._ceilings = ceilings
        self._depth = 0
        self.values = 0
        self.members = 0
        self.windows_seen = 0

    def through(self) -> None:
        """Look through all of it at once. Refuses `malformed_request`: too many values, or nested too deep."""
        for _ in self.windows():
            pass

    def windows(self) -> Iterator[None]:
        """Look through one window after the other, and stop at the first value too many. Refuses: see `through`."""
        at, within_string, length = 0, False, len(self._text)
        while at < length:
            end = min(at + _WINDOW_BYTES, length)
            if within_string:
                at, within_string = self._leave_string(at, end)
            if not within_string and at < end:
                at, within_string = self._window(at, end)
            self.windows_seen += 1
            yield

    def _leave_string(self, at: int, end: int) -> tuple[int, bool]:
        """Behind the string that an earlier window began with, or as far as this one goes."""
        rest = _REST_OF_STRING.match(self._text, at, end)
        if rest is None:  # it matches everything: for the type checker
            raise AssertionError
        # A backslash at the end of a window is left for the next one; at the end of the text it is no JSON.
        return (rest.end(), False) if rest[1] else (rest.end() if rest.end() > at else end, True)

    def _window(self, at: int, end: int) -> tuple[int, bool]:
        """What stands between strings is counted; where the next window begins, and whether within a string."""
        parts = _STRING.split(self._text[at:end])
        structure = b"".join(parts[::2])
        within_string = len(parts) > 1 and not parts[-2]
        self._count(structure, strings=len(parts) // 2)
        if within_string and parts[-1]:  # a backslash whose other half stands in the next window
            return end - 1, True
        return end, within_string

    def _count(self, structure: bytes, *, strings: int) -> None:
        self.values += structure.count(b",") + structure.count(b"[") + structure.count(b"{")
        self.members += structure.count(b":")
        # Strings with nothing between them are no JSON, and are not waited for.
        if self.values > self._ceilings.values_max or strings > 2 * self._ceilings.values_max + 2:
            raise Refusal("malformed_request", f"The body has more than {self._ceilings.values_max} values")
        self._descend(structure.translate(None, _ALL_BUT_BRACKETS))

    def _descend(self, brackets: bytes) -> None:
        depth, depth_max = self._depth, self._ceilings.depth_max
        for bracket in brackets:
            if bracket in _OPENING:
                depth += 1
                if depth > depth_max:
                    raise Refusal("malformed_request", f"The body is nested deeper than {depth_max}")
            else:
                depth -= 1
        self._depth = depth


class OddError(ValueError):
    """The text is no JSON, or none that is written in a way that we read."""


async def end_of_value(text: bytes, at: int, ceilings: Ceilings) -> tuple[int, int]:
    """Where the value that begins at `at` ends if it is JSON (its parser says), and how many values it has.

    Gives others their turn. Refuses what is past a ceiling as soon as it is; raises OddError.
    """
    if text[at : at + 1] not in (b"{", b"[", b'"'):
        found = _SCALAR.match(text, at, at + _WINDOW_BYTES)
        if found is None:
            raise OddError
        return found.end(), 0
    walk = _Walk(text, at, ceilings)
    while True:
        if walk.window():
            return walk.at, walk.values
        await asyncio.sleep(0)


class _Walk:
    """The way through one value, window by window."""

    def __init__(self, text: bytes, at: int, ceilings: Ceilings) -> None:
        self._text = text
        self._ceilings = ceilings
        self._depth = 0
        self._within_string = False
        self.at = at
        self.values = 0

    def window(self) -> bool:
        """Go on to the end of the value or of the next window; whether it was the former."""
        if self.at >= len(self._text):
            raise OddError
        end = self.at + _WINDOW_BYTES
        return self._leave_string(end) if self._within_string else self._tokens(end)

    def _leave_string(self, end: int) -> bool:
        rest = _REST_OF_STRING.match(self._text, self.at, end)
        if rest is None or rest.end() == self.at:
            raise OddError  # a backslash at the end of the text
        self.at, self._within_string = rest.end(), not rest[1]
        return self._depth == 0 and not self._within_string

    def _tokens(self, end: int) -> bool:
        for token in _TOKEN.finditer(self._text, self.at, end):
            mark, self.at = self._text[token.start()], token.end()
            if mark == _QUOTE and not token[1]:
                self._within_string = True
                return False
            if mark in _OPENING:
                self._depth += 1
                self._count()
            elif mark == _COMMA:
                self._count()
            elif mark != _QUOTE:
                self._depth -= 1
            if self._depth <= 0:
                return True
        self.at = end
        return False

    def _count(self) -> None:
        self.values += 1
        if self.values > self._ceilings.values_max:
            raise Refusal("malformed_request", f"The body has more than {self._ceilings.values_max} values")
        if self._depth > self._ceilings.depth_max:
            raise Refusal("malformed_request", f"The body is nested deeper than {self._ceilings.depth_max}")

"""An act of an admin: who did what to whom, and what it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["COMMAND_LINE", "Act", "Actor", "read_act"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, by what api key, in what request."""

    user_id: str
    api_key_id: str = ""
    request_id: str = ""

    @property
    def words(self) -> tuple[str, str, str]:
        """The last three arguments of every script that writes an act."""
        return self.user_id, self.api_key_id, self.request_id


#: Whoever can run our commands with the deployment's settings has everything.
COMMAND_LINE = Actor("command line")


@dataclass(frozen=True, slots=True)
class Act:
    """An entry of the audit log, with its place in the chain.

    `entry_id` is the stream's id of it, `number` counts from 1 without a gap, `at_ms` is Redis's clock. `on` is the id
    or name of what was acted on; `before` and `after` are what it was and became.
    """

    entry_id: str
    number: int
    at_ms: int
    actor: Actor
    act: str
    on: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    hash: str


def read_act(entry_id: bytes, words: Sequence[bytes]) -> Act:
    """An act from its entry in the stream; members that a newer version wrote are ignored."""
    stored = {name.decode(): text.decode() for name, text in zip(words[::2], words[1::2], strict=True)}
    return Act(
        entry_id=entry_id.decode(),
        number=int(stored["n"]),
        at_ms=int(stored["at"]),
        actor=Actor(stored["actor"], stored["api_key"], stored["request"]),
        act=stored["act"],
        on=stored["on"],
        before=orjson.loads(stored["before"]) if stored["before"] else None,
        after=orjson.loads(stored["after"]) if stored["after"] else None,
        hash=stored["hash"],
    )

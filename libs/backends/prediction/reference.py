"""What a job's record says of its prediction: a text in `Submission.ref`, so that any worker can go on from there.

::

    sent:<since>:<looks>   a creation was about to be sent, and whether it arrived is not known
    made:<since>:<id>      the prediction that there is
    over                   nothing is at the provider any more: the next creation is a new one

`since` is when, in ms of Redis's clock; `looks` is how often the provider's list was searched for it in vain.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Made", "Over", "Reference", "Sent", "read_reference"]


@dataclass(frozen=True, slots=True)
class Sent:
    """A creation that may have arrived."""

    since_ms: int
    looks: int = 0

    def __str__(self) -> str:
        return f"sent:{self.since_ms}:{self.looks}"


@dataclass(frozen=True, slots=True)
class Made:
    """A prediction that there is."""

    since_ms: int
    prediction_id: str

    def __str__(self) -> str:
        return f"made:{self.since_ms}:{self.prediction_id}"


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing to go on from."""

    def __str__(self) -> str:
        return "over"


Reference = Sent | Made | Over


def read_reference(ref: str) -> Reference:
    """The reference in a text; Over for what is none of ours."""
    word, _, rest = ref.partition(":")
    since, _, last = rest.partition(":")
    if not since.isdecimal():
        return Over()
    if word == "made" and last:
        return Made(int(since), last)
    return Sent(int(since), int(last)) if word == "sent" and last.isdecimal() else Over()

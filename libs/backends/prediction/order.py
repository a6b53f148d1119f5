"""What a provider is asked for, and how that is found again in its list."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urldefrag

from libs.backends.prediction.prediction import Prediction

__all__ = ["MakeOrder", "Order", "new_marker"]


@dataclass(frozen=True, slots=True)
class Order:
    """One prediction to be made. `model` is `owner/name`, with `:version` where a certain one is wanted.

    `marker` names this creation and no other. It travels as the fragment of every address in the input: those who fetch
    from an address send no fragment, and the provider tells the input back.
    """

    model: str
    input: Mapping[str, Any]
    marker: str = ""

    def marked(self, marker: str) -> Order:
        """The same order under a marker, which is in it from now on."""
        marked = {name: _with_fragment(value, marker) for name, value in self.input.items()}
        return replace(self, input=marked, marker=marker)

    def is_of(self, prediction: Prediction) -> bool:
        """Whether a prediction was made from this order.

        Where the input holds an address, by the marker. Else by the input itself: of two orders with equal inputs
        either prediction will do, and whoever takes one sees to it that nobody else does.
        """
        mine, told = _fragments(self.input), _fragments(prediction.input)
        if mine:
            return f"arqade-{self.marker}" in told
        same_model = not prediction.model or self.model.partition(":")[0] == prediction.model
        return same_model and not told and dict(self.input) == dict(prediction.input)


#: Puts an order together; asked only when it is needed, for an image may have to be read for it.
MakeOrder = Callable[[], Awaitable[Order]]


def new_marker(job_id: str, number: int) -> str:
    """The marker of a job's creation of this number; it does not tell the job's id."""
    return hashlib.sha256(f"prediction\n{job_id}\n{number}".encode()).hexdigest()[:24]


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://")) and not any(map(str.isspace, value))


def _with_fragment(value: Any, marker: str) -> Any:
    if isinstance(value, list):
        return [_with_fragment(each, marker) for each in value]
    return f"{urldefrag(value).url}#arqade-{marker}" if _is_address(value) else value


def _fragments(wanted: Mapping[str, Any]) -> set[str]:
    found = set()
    for value in wanted.values():
        for each in value if isinstance(value, list) else (value,):
            if _is_address(each):
                found.add(urldefrag(each).fragment)
    return found

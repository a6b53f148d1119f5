"""What is wrong with a workflow, and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from libs import limits
from libs.errors import Refusal, pointer

__all__ = ["Flaw", "first_flaws", "refusal", "sorted_out"]

Step = str | int


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong; `at` leads to it from the workflow's own root. `code` is of one kind of flaw.

    With `is_doubt` it may be wrong: we do not know.
    """

    at: tuple[Step, ...]
    detail: str
    code: str
    is_doubt: bool = False

    def below(self, *steps: Step) -> Flaw:
        """The same, told from further up."""
        return replace(self, at=(*steps, *self.at))

    @property
    def warning(self) -> str:
        """The flaw as a line for people."""
        return f"{pointer(self.at)}: {self.detail}"[: limits.DETAIL_LENGTH_MAX]

    def as_json(self, at: Sequence[Step] = ()) -> dict[str, str]:
        """The flaw as an entry of a problem's `errors`; `at` is where the root is in the caller's body."""
        return {
            "pointer": pointer((*at, *self.at)),
            "detail": self.detail[: limits.DETAIL_LENGTH_MAX],
            "code": self.code,
        }


def first_flaws(flaws: Iterable[Flaw]) -> list[Flaw]:
    """As many as are told: what is looked for beyond them would only take time."""
    return list(islice(flaws, limits.VALIDATION_ERRORS_MAX))


def sorted_out(flaws: Iterable[Flaw]) -> tuple[list[Flaw], list[Flaw]]:
    """What is surely wrong and what is in doubt, as many of each as are told."""
    sure: list[Flaw] = []
    doubts: list[Flaw] = []
    for flaw in flaws:
        found = doubts if flaw.is_doubt else sure
        if len(found) < limits.VALIDATION_ERRORS_MAX:
            found.append(flaw)
        elif found is sure:
            break
    return sure, doubts


def refusal(flaws: Iterable[Flaw], at: Sequence[Step] = ()) -> Refusal:
    """The refusal that at least one flaw amounts to."""
    found = [flaw.as_json(at) for flaw in first_flaws(flaws)]
    return Refusal("validation_failed", f"{found[0]['pointer']}: {found[0]['detail']}", errors=found)

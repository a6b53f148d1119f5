"""A prediction, as a provider tells of it: read strictly, and kept no larger than what somebody needs of it.

The members are those of Replicate's `schemas_prediction_response` (https://api.replicate.com/openapi.json); Cog's
answers (https://cog.run/http/) are a part of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast, get_args

from libs.errors import Failure

__all__ = ["ID_LENGTH_MAX", "Page", "Prediction", "Status", "failure_of", "read_page", "read_prediction"]

Status = Literal["starting", "processing", "succeeded", "failed", "canceled", "aborted"]

#: How long an id or an address may be: what is longer is no answer of a provider's.
ID_LENGTH_MAX: Final = 128
_CURSOR_LENGTH_MAX: Final = 2_048
_ERROR_LENGTH_MAX: Final = 2_000
_UNFINISHED: Final = frozenset({"starting", "processing"})
#: Models break off with words like "Prediction interrupted; please retry (code: PA)".
_TRY_AGAIN: Final = ("please retry", "please try again", "(code: pa)", "out of memory")
_ID: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is known of a prediction. `input` is what its provider says it was asked for."""

    id: str
    status: Status
    output: Any = None
    error: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    version: str = ""
    created_at_s: float | None = None
    predict_s: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status not in _UNFINISHED

    def as_json(self) -> dict[str, Any]:
        """The form in which its end is remembered."""
        kept = {"id": self.id, "status": self.status, "output": self.output, "error": self.error or None}
        metrics = {} if self.predict_s is None else {"predict_time": self.predict_s}
        return {**kept, "model": self.model, "version": self.version, "metrics": metrics}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a provider's list, the newest first; `cursor` asks for the next one, None when there is none.

    `unread` is how many of its entries are not of the schema: others use the account too, with models of their own.
    """

    predictions: tuple[Prediction, ...]
    cursor: str | None
    unread: int = 0


def read_prediction(told: Any, *, id_known: str = "") -> Prediction:
    """A prediction from an answer; `id_known` is its id where the answer need not repeat it.

    Raises ValueError for what is none.
    """
    if not isinstance(told, dict):
        raise ValueError("no object")  # noqa: TRY004  # a wrong answer, not an argument of a wrong type
    prediction_id, status = told.get("id") or id_known, told.get("status")
    if not isinstance(prediction_id, str) or len(prediction_id) > ID_LENGTH_MAX or not _ID.fullmatch(prediction_id):
        raise ValueError("no id")
    if status not in get_args(Status):
        raise ValueError("a status that there is not")
    return Prediction(
        id=prediction_id,
        status=cast("Status", status),
        output=told.get("output"),
        error=str(told.get("error") or "")[:_ERROR_LENGTH_MAX],
        input=_object(told.get("input")),
        model=_text(told.get("model")),
        version=_text(told.get("version")),
        created_at_s=_time(told.get("created_at")),
        predict_s=_number(_object(told.get("metrics")).get("predict_time")),
    )


def read_page(told: Any) -> Page:
    """A page of the list (`{"results", "next", "previous"}`). Raises ValueError for what is none.

    An odd entry does not hide the others; where all are odd, it is the page that is.
    """
    if not isinstance(told, dict) or not isinstance(told.get("results"), list):
        raise ValueError("no page")  # noqa: TRY004  # as above
    entries, read, flaw = told["results"], list[Prediction](), ""
    for entry in entries:
        try:
            read.append(read_prediction(entry))
        except ValueError as error:
            flaw = str(error)
    if entries and not read:
        raise ValueError(flaw)
    return Page(tuple(read), _cursor(told.get("next")), len(entries) - len(read))


def failure_of(name: str, prediction: Prediction) -> Failure:
    """What it means to a job that its prediction ended without success; the error may quote what nobody should see."""
    if prediction.status in ("canceled", "aborted"):
        return Failure("prediction_canceled", f"The prediction was {prediction.status} at {name}", retryable=True)
    told = prediction.error.lower()
    if any(words in told for words in _TRY_AGAIN):
        return Failure("prediction_interrupted", f"The model at {name} broke off", retryable=True)
    return Failure("prediction_failed", f"The model at {name} failed on this input", fault="caller")


def _cursor(following: Any) -> str | None:
    """The cursor in the address of the next page: the address itself is not followed, it could lead anywhere."""
    if following is None:
        return None
    match = re.search(r"[?&]cursor=([^&#]+)", following) if isinstance(following, str) else None
    if match is None or len(match[1]) > _CURSOR_LENGTH_MAX:
        raise ValueError("no cursor")
    return match[1]


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value[:ID_LENGTH_MAX] if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _time(value: Any) -> float | None:
    try:
        told = datetime.fromisoformat(value)
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError):
        return None

"""What a caller orders as a batch: read and checked item by item, and stored as it goes.

All or nothing: no item is admitted unless all are as they should be, and the first of those that are not are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field

from apps.api.batches.body import ITEMS_BETWEEN_YIELDS, TEXT_BETWEEN_YIELDS, BatchBody
from apps.api.batches.file import read_lines
from apps.api.batches.running import Running
from apps.api.body import parse_json
from apps.api.json_text import Ceilings
from apps.api.orders.metadata import Metadata
from apps.api.orders.order import Envelope, apply
from apps.api.orders.webhook import BatchWebhook
from apps.api.request import Request
from apps.api.validation import validated
from libs import limits
from libs.admission.rate import RefusedRate
from libs.artifacts.upload import Upload
from libs.batches.items import Item, ItemTooLargeError, ItemWriter
from libs.errors import Refusal, pointer
from libs.strict import Strict, at_most

__all__ = [
    "BatchEnvelope",
    "ItemEnvelope",
    "NewBatch",
    "Sources",
    "from_body",
    "from_file",
    "from_values",
    "write_items",
]

_ENVELOPE: Final = frozenset({"input", "fairness_key", "metadata"})
_IN_A_ROW: Final = 3
_LINE: Final = Ceilings(None, limits.GRAPH_VALUES_MAX)


class BatchEnvelope(Strict):
    """The body of `POST /api/v1/batches` but for its items."""

    kind: str
    input_file: str | None = Field(None, pattern=r"^upload_[0-9a-z]{26}$", description="An upload of JSON lines")
    priority: int = Field(0, ge=-limits.PRIORITY_MAX, le=limits.PRIORITY_MAX)
    deadline_seconds: float | None = Field(
        None, gt=0, le=limits.DEADLINE_S_MAX, description="What has not started by then expires"
    )
    fairness_key: str | None = Field(None, min_length=1, max_length=limits.FAIRNESS_KEY_LENGTH_MAX)
    metadata: Metadata = Field(default_factory=dict)
    webhook: BatchWebhook | None = None


class NewBatch(BatchEnvelope):
    """A batch: its items stand in the body, or in an uploaded file of JSON lines.

    An item is an input of the kind, or an object with `input` and, as wished, `fairness_key` and `metadata`.
    """

    items: (
        Annotated[
            list[dict[str, Any]],
            Field(min_length=1, max_length=limits.BATCH_ITEMS_MAX),
            at_most(limits.BATCH_ITEMS_MAX),
        ]
        | None
    ) = None


class ItemEnvelope(Strict):
    """An item that says more than its input."""

    input: dict[str, Any]
    fairness_key: str | None = Field(None, min_length=1, max_length=limits.FAIRNESS_KEY_LENGTH_MAX)
    metadata: Metadata = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands in what the caller sent: a path in the body, or a line of the file."""

    path: tuple[str | int, ...] = ()
    line: int | None = None


#: An item as it was sent: its place, its value, and the length of its text.
Source = tuple[Place, Any, int]
Sources = AsyncIterator[Source]


async def from_body(body: BatchBody) -> Sources:
    """The items of a body."""
    for index, (value, length) in enumerate(body.items()):
        yield Place(("items", index)), value, length


async def from_values(values: Iterable[Any], member: str) -> Sources:
    """Items that are values already; `member` is the array that they stood in."""
    for index, value in enumerate(values):
        yield Place((member, index)), value, len(str(value))


async def from_file(request: Request, upload: Upload) -> Sources:
    """The lines of an input file; what is no JSON comes as the refusal that says so."""
    async for number, line in read_lines(request, upload):
        if line.strip():
            try:
                value = parse_json(line, _LINE)
            except Refusal as refusal:
                value = Refusal(
                    "validation_failed", refusal.detail, errors=[_told("#", refusal.detail, "json_invalid")]
                )
            yield Place(line=number), value, len(line)


async def write_items(
    request: Request, route: str, wanted: BatchEnvelope, sources: Sources, writer: ItemWriter, running: Running
) -> None:
    """Check every item and store it, up to the first one that there is no room for.

    Refuses `validation_failed` with the first fifty errors there are, and what `running` does. Raises Unavailable.
    """
    errors: list[dict[str, Any]] = []
    async for some in _in_groups(sources, running):
        runs = [some[start : start + _IN_A_ROW] for start in range(0, len(some), _IN_A_ROW)]
        found = await asyncio.gather(*[_checked_in_a_row(request, route, wanted, run) for run in runs])
        checked = [item for run in found for item in run]
        for (place, _, _), item in zip(some, checked, strict=True):
            if isinstance(item, Refusal):
                errors += [_placed(place, error) for error in item.errors]
            elif not errors:
                await _write(writer, place, item, errors)
        if running.items + len(some) > limits.BATCH_ITEMS_MAX:
            errors = [_told("#/input_file", f"A batch has at most {limits.BATCH_ITEMS_MAX} items", "too_long")]
        if len(errors) >= limits.VALIDATION_ERRORS_MAX or not await _room_for(running, checked, errors):
            break
    if not errors and running.items == 0:
        member = "items" if wanted.input_file is None else "input_file"
        errors = [_told(f"#/{member}", "A batch has at least one item", "too_short")]
    if errors:
        raise _refusal(errors)
    await writer.close()


async def _room_for(running: Running, checked: Sequence[Item | Refusal], errors: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there is room for these too; where something is wrong already, that is told rather than this."""
    try:
        await running.add(len(checked), sum(1 if isinstance(item, Refusal) else item.units for item in checked))
    except RefusedRate:
        if not errors:
            raise
        return False
    return True


async def _in_groups(sources: Sources, running: Running) -> AsyncIterator[list[Source]]:
    """A few at a time: their look-ups share round trips, and other requests get their turn in between."""
    group: list[Source] = []
    length = 0
    async for one in sources:
        group.append(one)
        length += one[2]
        if length > TEXT_BETWEEN_YIELDS or len(group) >= min(ITEMS_BETWEEN_YIELDS, running.left + 1):
            yield group
            group, length = [], 0
            await asyncio.sleep(0)
    if group:
        yield group


async def _checked_in_a_row(
    request: Request, route: str, wanted: BatchEnvelope, run: Iterable[Source]
) -> list[Item | Refusal]:
    """A few items one after the other: a task for each would cost as much as a check."""
    return [await _checked(request, route, wanted, value) for _place, value, _length in run]


async def _checked(request: Request, route: str, wanted: BatchEnvelope, value: Any) -> Item | Refusal:
    """An item as it will be stored, or what is wrong with it: errors that point into the item."""
    if isinstance(value, Refusal):
        return value
    if not isinstance(value, dict):
        return Refusal("validation_failed", errors=[_told("#", "An item is a JSON object", "type")])
    enveloped = isinstance(value.get("input"), dict) and value.keys() <= _ENVELOPE
    try:
        told = validated(ItemEnvelope, value) if enveloped else None
        order = Envelope(
            kind=wanted.kind, input=told.input if told else value, deadline_seconds=wanted.deadline_seconds
        )
        application = await apply(request, route, {}, order, ("input",))
    except Refusal as refusal:
        if refusal.code != "validation_failed":
            raise  # about the caller, or about us: another item would not help it
        return refusal if enveloped else _unwrapped(refusal)
    if told is None:
        return Item(application.input, application.units, needs=application.needs, result=application.result)
    said = (told.fairness_key, told.metadata)
    return Item(application.input, application.units, *said, application.needs, application.result)


def _unwrapped(refusal: Refusal) -> Refusal:
    """An item that is an input itself: what points into an input points into the item."""
    errors = [{**error, "pointer": error["pointer"].replace("#/input", "#", 1)} for error in refusal.errors]
    return Refusal(refusal.code, refusal.detail, errors=errors)


async def _write(writer: ItemWriter, place: Place, item: Item, errors: list[dict[str, Any]]) -> None:
    try:
        await writer.add(item)
    except ItemTooLargeError:
        detail = f"An item has at most {limits.BATCH_ITEM_BYTES_MAX} bytes as it is stored"
        errors.append(_placed(place, _told("#", detail, "too_long")))


def _placed(place: Place, error: Mapping[str, Any]) -> dict[str, Any]:
    """An error that points into an item, as one of the whole body or of a line."""
    if place.line is not None:
        return {"line": place.line, **error}
    return {**error, "pointer": pointer(place.path) + error.get("pointer", "#")[1:]}


def _told(where: str, detail: str, code: str) -> dict[str, Any]:
    return {"pointer": where, "detail": detail, "code": code}


def _refusal(errors: list[dict[str, Any]]) -> Refusal:
    first = errors[0]
    where = f"line {first['line']}, {first['pointer']}" if "line" in first else first["pointer"]
    detail = f"{where}: {first['detail']}"
    return Refusal("validation_failed", detail, errors=errors[: limits.VALIDATION_ERRORS_MAX])

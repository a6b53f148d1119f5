"""The items of a batch in the object store: JSON lines, in blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from libs import limits
from libs.artifacts.objects import Objects
from libs.batches.batch import Batch, block_name, prefix_of
from libs.batches.turns import Ranks, pack_turns
from libs.errors import Unavailable
from libs.jobs.scripts import DRAFT_BATCH
from libs.store.client import Store

__all__ = ["BLOCK_BYTES_MAX", "Item", "ItemShelf", "ItemTooLargeError", "ItemWriter"]

LINES_TYPE = "application/jsonl"
#: Items and their line ends.
BLOCK_BYTES_MAX = limits.BATCH_BLOCK_ITEMS * (limits.BATCH_ITEM_BYTES_MAX + 1)
_DRAFT_MS = 3_600_000
#: Longer than the draft: where there is a batch to admit, its turns are there.
_TURNS_MS = 2 * _DRAFT_MS
_AT_HAND_BYTES_MAX = 8 * 1024 * 1024
_WRITES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Item:
    """A validated input, what it costs, what its caller says of it, and what of the fleet it needs.

    `result` is the digest that a known result is looked up by, for an item that takes part.
    """

    input: Mapping[str, Any]
    units: int
    fairness_key: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    needs: str = ""
    result: str | None = None

    def as_line(self) -> bytes:
        """Its line; absent members take no room."""
        told: dict[str, Any] = {"input": self.input, "units": self.units}
        if self.fairness_key is not None:
            told["fairness_key"] = self.fairness_key
        if self.metadata:
            told["metadata"] = self.metadata
        if self.needs:
            told["needs"] = self.needs
        if self.result is not None:
            told["result"] = self.result
        return orjson.dumps(told)

    @classmethod
    def from_line(cls, line: bytes) -> Item:
        """Read a line; members that a newer version added are ignored."""
        told = orjson.loads(line)
        return cls(
            input=told["input"],
            units=told["units"],
            fairness_key=told.get("fairness_key"),
            metadata=told.get("metadata", {}),
            needs=told.get("needs", ""),
            result=told.get("result"),
        )


class ItemTooLargeError(ValueError):
    """An item's line has more than BATCH_ITEM_BYTES_MAX bytes."""


class ItemWriter:
    """Writes items as they come, a few blocks at a time: memory holds no more of them, and the `first` chunk.

    What was written for a batch that is then refused is removed by `drop`, or an hour later by a worker; by the worker
    alone where nobody knows whether the batch was let in.
    """

    def __init__(
        self, store: Store, objects: Objects, user_id: str, batch_id: str, fairness_key: str | None = None
    ) -> None:
        """Nothing is written before the first item. Items that have no fairness key have the batch's own."""
        self._store = store
        self._objects = objects
        self._user_id = user_id
        self._batch_id = batch_id
        self._fairness_key = fairness_key
        self._lines: list[bytes] = []
        self._blocks = 0
        self._writing: set[asyncio.Task[None]] = set()
        self._ranks = Ranks()
        self.count = 0
        self.units = 0
        self.bytes = 0
        self.first: list[Item] = []

    async def add(self, item: Item) -> None:
        """One more item. Raises ItemTooLargeError and Unavailable."""
        line = item.as_line()
        if len(line) > limits.BATCH_ITEM_BYTES_MAX:
            raise ItemTooLargeError
        self._lines.append(line)
        if self.count < limits.BATCH_CHUNK_ITEMS:
            self.first.append(item)
        self._ranks.add(item.fairness_key or self._fairness_key)
        self.count += 1
        self.units += item.units
        self.bytes += len(line)
        if len(self._lines) == limits.BATCH_BLOCK_ITEMS:
            await self._write_block()

    async def close(self) -> None:
        """Write what is left and the turns that they take, and wait until all is stored. Raises Unavailable."""
        if self._lines:
            await self._write_block()
        await self._until_written(0)
        if turns := pack_turns(self._ranks.ranks):
            await self._store.call("SET", self._store.keys.batch_turns + self._batch_id, turns, "PX", _TURNS_MS)

    async def drop(self) -> None:
        """Remove what was written, where that is possible."""
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)
        if self._blocks == 0:
            return
        await self._store.call("DEL", self._store.keys.batch_turns + self._batch_id)
        try:
            await self._objects.remove_all(prefix_of(self._user_id, self._batch_id))
        except Unavailable:
            return  # a worker will
        await self._store.call("ZREM", self._store.keys.batches_due, f"{self._user_id} {self._batch_id}")

    async def _write_block(self) -> None:
        if self._blocks == 0:
            await self._store.run(DRAFT_BATCH, (), (self._batch_id, self._user_id, _DRAFT_MS))
        name = block_name(prefix_of(self._user_id, self._batch_id), self._blocks)
        data = b"\n".join(self._lines) + b"\n"
        self._blocks += 1
        self._lines = []
        await self._until_written(_WRITES_AT_ONCE - 1)
        self._writing.add(asyncio.create_task(self._objects.put(name, data, LINES_TYPE)))

    async def _until_written(self, left: int) -> None:
        """Wait until no more than so many writes are under way."""
        while len(self._writing) > left:
            done, self._writing = await asyncio.wait(self._writing, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()


class ItemShelf:
    """The items of a batch, read block by block; as many blocks as fit into a few megabytes stay at hand."""

    def __init__(self, objects: Objects, batch: Batch) -> None:
        """Nothing is read yet."""
        self._objects = objects
        self._batch = batch
        self._blocks: dict[int, list[bytes]] = {}  # the one that was used last comes last
        self._bytes = 0

    async def items(self, indices: Sequence[int]) -> list[tuple[int, Item]]:
        """These items, each with its index. Raises Unavailable, also when they are not there."""
        found: dict[int, Item] = {}
        size = self._batch.block_items
        for block in sorted({index // size for index in indices}):
            lines = await self._lines(block)
            found |= {index: Item.from_line(lines[index % size]) for index in indices if index // size == block}
        return [(index, found[index]) for index in indices]

    async def _lines(self, block: int) -> list[bytes]:
        lines = self._blocks.pop(block, None) or await self._read(block)
        self._blocks[block] = lines
        return lines

    async def _read(self, block: int) -> list[bytes]:
        data = await self._objects.get(block_name(self._batch.prefix, block), bytes_max=BLOCK_BYTES_MAX)
        if data is None:
            raise Unavailable("objects", f"the items of batch {self._batch.id} are not there")
        self._bytes += len(data)
        while self._blocks and self._bytes > _AT_HAND_BYTES_MAX:
            self._bytes -= sum(len(line) + 1 for line in self._blocks.pop(next(iter(self._blocks))))
        return data.splitlines()

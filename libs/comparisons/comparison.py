"""A comparison, as it is stored, and finding it again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from libs import limits
from libs.errors import Refusal
from libs.ids import is_id
from libs.store.client import Store

__all__ = ["Comparison", "ComparisonPage", "Variant", "list_comparisons", "load_comparison", "pack_variants"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One of a comparison's: its name, what it changes of the common input (RFC 7396), and its job."""

    name: str
    changes: Mapping[str, Any]
    job_id: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Variants of one order, in the order they were asked for. Its record lives as long as its jobs may."""

    id: str
    user_id: str
    kind: str
    created_at_ms: int
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """Comparisons, newest first; `before` is the id to go on from when there are more."""

    comparisons: tuple[Comparison, ...]
    before: str | None


def pack_variants(variants: Sequence[Variant]) -> bytes:
    """The variants as the record holds them."""
    return orjson.dumps([{"name": one.name, "changes": one.changes, "job": one.job_id} for one in variants])


async def load_comparison(store: Store, user_id: str, comparison_id: str) -> Comparison:
    """The user's comparison of that id, or Refusal `not_found`: the same for none and for somebody else's."""
    found = await _find(store, comparison_id) if is_id(comparison_id, "cmp") else None
    if found is None or found.user_id != user_id:
        raise Refusal("not_found", "There is no such comparison")
    return found


async def list_comparisons(store: Store, user_id: str, *, limit: int, before: str | None = None) -> ComparisonPage:
    """A page of a user's comparisons, newest first; those whose record is past its time are forgotten on the way.

    It ends early where they have more than PAGE_BYTES_MAX together.
    """
    key, start = store.keys.comparisons + user_id, f"({before}" if before else "+"
    reply = await store.call("ZREVRANGEBYLEX", key, start, "-", "LIMIT", 0, limit + 1)
    ids = [comparison_id.decode() for comparison_id in reply]
    limit = await _fitting(store, ids[:limit])
    found = await asyncio.gather(*[_find(store, comparison_id) for comparison_id in ids[:limit]])
    if gone := [comparison_id for comparison_id, one in zip(ids, found, strict=False) if one is None]:
        await store.call("ZREM", key, *gone)
    return ComparisonPage(tuple(one for one in found if one is not None), ids[limit - 1] if len(ids) > limit else None)


async def _fitting(store: Store, ids: Sequence[str]) -> int:
    """How many of these make a page: the first of them at least."""
    sizes = await asyncio.gather(*[store.call("HSTRLEN", store.keys.comparison + one, "variants") for one in ids])
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if count > 0 and total > limits.PAGE_BYTES_MAX:
            return count
    return len(ids)


async def _find(store: Store, comparison_id: str) -> Comparison | None:
    reply = await store.call("HGETALL", store.keys.comparison + comparison_id)
    record = dict(zip(reply[::2], reply[1::2], strict=True))
    if not record:
        return None
    variants = [Variant(one["name"], one["changes"], one["job"]) for one in orjson.loads(record[b"variants"])]
    return Comparison(
        comparison_id,
        record[b"user"].decode(),
        record[b"kind"].decode(),
        int(record[b"created"]),
        tuple(variants),
    )

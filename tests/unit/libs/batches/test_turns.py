"""Turns: a permutation in which no store waits for another's end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from libs import limits
from libs.batches.turns import Ranks, Turns, pack_turns, unpack_turns

STORES = st.lists(st.sampled_from([None, "a", "b", "c", "d"]), max_size=60)


def packed(stores: Sequence[str | None]) -> bytes:
    ranks = Ranks()
    for store in stores:
        ranks.add(store)
    return pack_turns(ranks.ranks)


def order_of(stores: Sequence[str | None]) -> list[int]:
    return list(unpack_turns(packed(stores))) or list(range(len(stores)))


@given(STORES)
def test_every_item_has_one_turn_and_a_store_keeps_its_order(stores: Sequence[str | None]) -> None:
    order = order_of(stores)
    assert sorted(order) == list(range(len(stores)))
    for store in set(stores):
        own = [index for index in order if stores[index] == store]
        assert own == sorted(own)


@given(STORES)
def test_no_store_with_items_left_is_more_than_one_behind(stores: Sequence[str | None]) -> None:
    left, taken = Counter(stores), Counter[str | None]()
    for index in order_of(stores):
        left[stores[index]] -= 1
        taken[stores[index]] += 1
        waiting = [taken[store] for store, count in left.items() if count]
        assert not waiting or max(taken.values()) - min(waiting) <= 1


@given(STORES)
def test_an_item_is_found_in_its_turn(stores: Sequence[str | None]) -> None:
    order = order_of(stores)
    turns = Turns(unpack_turns(packed(stores)))
    assert [turns.turn_of(index) for index in order] == list(range(len(stores)))


def test_what_is_mixed_already_or_of_one_store_is_taken_as_it_was_given() -> None:
    assert packed([None] * 9) == packed(["a", "b", "c"] * 3) == packed([]) == b""


def test_the_largest_batch_has_turns() -> None:
    half = limits.BATCH_ITEMS_MAX // 2
    turns = packed(["a"] * half + ["b"] * half)
    assert len(turns) == 2 * limits.BATCH_ITEMS_MAX
    assert unpack_turns(turns)[-1] == limits.BATCH_ITEMS_MAX - 1

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from libs.artifacts.chain import Chain


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(1, 30), max_size=20))
def test_whatever_is_asked_for_the_pieces_come_one_after_the_other(pieces: list[bytes], sizes: list[int]) -> None:
    chain, whole = Chain(iter(pieces)), b"".join(pieces)
    parts = [chain.read(size) for size in sizes]
    assert all(len(part) == size for part, size in zip(parts, sizes, strict=True) if not whole.endswith(part))
    assert b"".join(parts) + chain.read() == whole
    assert (chain.size_bytes, chain.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())


def test_no_piece_is_fetched_before_it_is_needed() -> None:
    fetched = []

    def pieces() -> Iterator[bytes]:
        for number in range(5):
            fetched.append(number)
            yield b"123"

    chain = Chain(pieces())
    assert chain.read(4) == b"1231"
    assert fetched == [0, 1]

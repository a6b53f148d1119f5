from __future__ import annotations

import os

import pytest

from libs.spool import Spool, Spooler, chunks_of, head_of, tail_of

DATA = os.urandom(3_000)


def spooled(limit: int) -> bytes | Spool:
    spooler = Spooler(limit)
    for at in range(0, len(DATA), 700):
        spooler.write(DATA[at : at + 700])
    return spooler.content()


@pytest.mark.parametrize("limit, on_disk", [(len(DATA), False), (len(DATA) - 1, True), (0, True)])
def test_what_is_more_than_may_be_held_in_memory_lies_on_disk_and_reads_the_same(limit: int, *, on_disk: bool) -> None:
    content = spooled(limit)
    assert isinstance(content, Spool) == on_disk
    assert len(content) == len(DATA)
    assert b"".join(chunks_of(content, 999)) == DATA
    assert (head_of(content, 10), tail_of(content, 10)) == (DATA[:10], DATA[-10:])
    assert (head_of(content, 9_999), tail_of(content, 9_999)) == (DATA, DATA)


def test_a_spool_is_read_from_several_places_at_once() -> None:
    content = spooled(0)
    assert isinstance(content, Spool)
    one, other = content.reader(), content.reader()
    assert one.read(10) == other.read(10) == DATA[:10]
    assert one.read() == DATA[10:]


def test_nothing_at_all_is_a_file_as_well() -> None:
    assert Spooler(0).content() == b""

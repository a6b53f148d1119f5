from __future__ import annotations

from dataclasses import fields

import pytest

from libs.store.keyspace import ARQ, HEADS, Keyspace


def test_a_prefix_is_followed_by_one_colon_however_it_is_written() -> None:
    assert Keyspace.with_prefix("cui") == Keyspace.with_prefix("cui:") == Keyspace.with_prefix("cui::")
    assert Keyspace.with_prefix("cui").job == "cui:job:"
    assert Keyspace.with_prefix("").job == "job:"


def test_arq_s_keys_stay_as_arq_spells_them() -> None:
    keys = Keyspace.with_prefix("cui")
    assert (keys.arq_queue, keys.arq_job) == ("arq:queue", "arq:job:")
    assert (keys.zset_of("default"), keys.zset_of("gpu")) == ("arq:queue", "arq:queue:gpu")


def test_every_head_is_a_field_and_no_two_are_alike() -> None:
    names = {field.name for field in fields(Keyspace)} - {"prefix"}
    assert names == HEADS.keys() | ARQ.keys()
    texts = [head.text for head in (*HEADS.values(), *ARQ.values())]
    assert len(set(texts)) == len(texts)


def test_a_head_with_something_behind_it_ends_where_that_begins() -> None:
    for name, head in HEADS.items():
        assert head.text.endswith(":") == bool(head.behind), name


def test_lua_gets_the_same_names_on_one_line() -> None:
    lua = Keyspace.with_prefix("cui").lua()
    assert lua.startswith("local KEY={")
    assert "\n" not in lua
    assert 'job="cui:job:"' in lua
    assert 'arq_queue="arq:queue"' in lua


@pytest.mark.parametrize("prefix", ['a"', "a\\", "a\n", "a b", "é", "a{b}", "a'"])
def test_a_prefix_that_could_break_a_script_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="REDIS_PREFIX"):
        Keyspace.with_prefix(prefix)

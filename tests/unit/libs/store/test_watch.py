from __future__ import annotations

import pytest

from libs.errors import StoreFull, StoreReadOnly, Unavailable
from libs.store.replies import ReplyError
from libs.store.watch import judged

WELL = {"role": "master", "used_memory": "100", "maxmemory": "1000", "mem_not_counted_for_evict": "0"}


@pytest.mark.parametrize(
    "told, failure, state",
    [
        ({}, None, "up"),
        ({"used_memory": "899"}, None, "up"),
        ({"used_memory": "900"}, None, "full"),
        ({"used_memory": "950", "mem_not_counted_for_evict": "100"}, None, "up"),
        ({"used_memory": "5000", "maxmemory": "0"}, None, "up"),
        ({}, StoreFull("no"), "full"),
        ({}, StoreReadOnly("no"), "read_only"),
        ({"role": "slave"}, None, "read_only"),
        ({}, ReplyError("NOPERM no"), "read_only"),
        ({}, Unavailable("redis", "gone"), "away"),
    ],
)
def test_what_a_look_says(told: dict[str, str], failure: Exception | None, state: str) -> None:
    look = judged(WELL | told, failure, 0.0)
    assert look.state == state
    assert bool(look.why) == bool(look.remedy) == (state != "up")


def test_what_is_hidden_is_taken_for_well() -> None:
    assert judged({}, None, 0.0).state == "up"


@pytest.mark.parametrize(
    "told, ail",
    [
        ({"rdb_last_bgsave_status": "err"}, "the last snapshot failed"),
        ({"aof_last_bgrewrite_status": "err"}, "the last rewrite of the append-only file failed"),
        ({"aof_last_write_status": "err"}, "the append-only file could not be written"),
        ({"role": "slave", "master_link_status": "down"}, "the replica has lost its primary"),
        (
            {
                "connected_slaves": "3",
                "slave0": "ip=10.0.0.1,port=6379,state=online,offset=1,lag=1",
                "slave1": "ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0",
                "slave2": "ip=10.0.0.3,port=6379,state=online,offset=1,lag=42",
            },
            "2 of 3 replicas are not in step",
        ),
    ],
)
def test_what_will_hurt_later_is_told(told: dict[str, str], ail: str) -> None:
    (line,) = judged(WELL | told, None, 0.0).ails
    assert line.startswith(ail)

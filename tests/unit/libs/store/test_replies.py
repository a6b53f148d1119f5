from __future__ import annotations

import pytest

from libs.errors import Unavailable
from libs.store.replies import ReplyError, verdict


@pytest.mark.parametrize(
    "said",
    [
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "CLUSTERDOWN The cluster is down",
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "MISCONF Errors writing to the AOF file: No space left on device",
        "NOAUTH Authentication required.",
        "NOREPLICAS Not enough good replicas to write.",
        "OOM command not allowed when used memory > 'maxmemory'. script: 1, on @user_script:1.",
        "READONLY You can't write against a read only replica.",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    ],
)
def test_what_passes_is_unavailable_with_what_redis_said(said: str) -> None:
    raised = verdict(ReplyError(said))
    assert isinstance(raised, Unavailable)
    assert raised.part == "redis"
    assert said in raised.detail


@pytest.mark.parametrize(
    "said", ["ERR no such key", "WRONGTYPE Operation", "BUSYGROUP exists", "NOSCRIPT No matching script.", "OOMPH", ""]
)
def test_what_does_not_pass_is_an_answer(said: str) -> None:
    error = ReplyError(said)
    assert verdict(error) is error
    assert error.code == said.split(" ", maxsplit=1)[0]


def test_a_long_reply_is_cut() -> None:
    assert len(str(verdict(ReplyError("MISCONF " + "x" * 10_000)))) < 400

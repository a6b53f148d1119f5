"""F19: many processes want the last unit of a quota, and the tokens of a bucket, at the same moment."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from libs.ids import new_id
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.racers import THERE_IS
from tests.faults.size import SIZE

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("what, code", [("rate", "rate_limited"), ("quota", "quota_exceeded")])
async def test_processes_get_exactly_what_is_there(open_yard: OpenYard, what: str, code: str) -> None:
    there_is = THERE_IS[what]
    async with open_yard() as yard:
        found = await asyncio.to_thread(race, yard.site.redis.url, new_id("usr"), what)
        jobs = await yard.store.call("ZCARD", yard.store.keys.zset_of("cpu"))

    assert found == {"admitted": there_is, code: SIZE.racers - there_is}
    assert jobs == there_is
    FIGURES.note("F19", f"processes that raced for the {what}, let in", f"{SIZE.racers}, {there_is}")


def race(url: str, user_id: str, what: str) -> dict[str, int]:
    command = [sys.executable, "-m", "tests.faults.racers", url, user_id, str(SIZE.racers), what]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SIZE.within_s)
    assert ran.returncode == 0, ran.stderr
    told: dict[str, int] = json.loads(ran.stdout)
    return told

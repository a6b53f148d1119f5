from __future__ import annotations

import pytest

from libs.store.guard import findings

SOUND = {
    "redis_version": "7.0.15",
    "maxmemory_policy": "noeviction",
    "cluster_enabled": "0",
    "role": "master",
    "aof_enabled": "1",
    "appendfsync": "everysec",
}


def test_a_sound_redis_has_nothing_to_mend() -> None:
    assert findings(SOUND) == []
    assert findings(SOUND | {"redis_version": "8.2", "appendfsync": "always"}) == []


@pytest.mark.parametrize(
    "changed, level, line",
    [
        ({"redis_version": "6.2.14"}, "refuse", "7.0 or later"),
        ({"redis_version": "unstable"}, "warn", "at least 7.0"),
        ({"maxmemory_policy": "allkeys-lru"}, "refuse", "noeviction"),
        ({"maxmemory_policy": "volatile-lru"}, "refuse", "noeviction"),
        ({"cluster_enabled": "1"}, "refuse", "cluster-enabled no"),
        ({"role": "slave"}, "refuse", "replica"),
        ({"aof_enabled": "0"}, "warn", "appendonly yes"),
        ({"appendfsync": "no"}, "warn", "everysec"),
    ],
)
def test_what_could_lose_jobs_is_found(changed: dict[str, str], level: str, line: str) -> None:
    [finding] = findings(SOUND | changed)
    assert finding.level == level
    assert line in finding.line


def test_refusals_come_first_and_what_is_hidden_is_warned_of() -> None:
    assert [finding.level for finding in findings({"role": "slave"})] == ["refuse", "warn", "warn", "warn"]


def test_a_redis_that_syncs_less_than_was_asked_for_is_refused() -> None:
    info = {"redis_version": "7.0.15", "maxmemory_policy": "noeviction", "role": "master", "aof_enabled": "1"}
    asked = findings(info | {"appendfsync": "everysec"}, fsync="always")
    assert [finding.level for finding in asked] == ["refuse"]
    assert findings(info | {"appendfsync": "always"}, fsync="always") == []
    assert findings(info | {"appendfsync": "everysec"}) == []

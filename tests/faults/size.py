"""How much is broken: a little at every `make test`, all of it at `make faults`, which prints what it found."""

from __future__ import annotations

from dataclasses import dataclass

from tests.run.promises import FULL_SIZE

__all__ = ["FULL", "SIZE", "Size"]


@dataclass(frozen=True, slots=True)
class Size:
    """Times in seconds. A short lease makes the small runs quick; the full ones have the lease of a deployment.

    Only a full run is `timed`: on a machine that does other things as well, a small one asserts what, not how fast.
    """

    timed: bool
    lease_s: float
    within_s: float  # how long a run may take to come to rest
    killed_jobs: int  # F1
    killed_job_ms: int
    kill_every_s: tuple[float, float]
    api_kills: int  # F2
    keyed_jobs: int
    failpoint_times: int  # F3
    redis_kills: int  # F4
    outages_s: tuple[float, ...]
    objects_away_s: float  # F8
    api_restarts: int  # F12
    frozen_s: float  # F10
    restarts: int  # F13
    restart_job_s: tuple[float, float]
    restart_jobs: int
    restart_grace_s: float
    clock_rounds: int  # F25
    poisons: int  # F14
    among: int
    slow_sockets: int  # F15
    slow_readers: int
    patience_s: float | None  # None: the API's own
    body_rounds: int  # F16
    greedy_s: float  # F24
    greedy_at_once: int
    greedy_mb: float
    racers: int  # F19
    flood: int  # F17
    races: int  # F20
    slow_s: tuple[float, ...]  # F7
    cuts: int
    fleet_jobs: int  # a fleet under fire
    fleet_breaks: int
    fleet_frozen_s: tuple[float, float]
    predictions: int  # predictions under fire
    prediction_breaks: int
    batch_items: int  # a batch under fire
    batch_kills: int
    embedded_pictures: int  # `arqade up` at length


SMALL = Size(
    timed=False,
    lease_s=1.5,
    within_s=60,
    killed_jobs=120,
    killed_job_ms=300,
    kill_every_s=(0.3, 0.8),
    api_kills=2,
    keyed_jobs=40,
    failpoint_times=2,
    redis_kills=2,
    outages_s=(2.0,),
    objects_away_s=1.0,
    api_restarts=2,
    frozen_s=1.0,
    restarts=3,
    restart_job_s=(0.2, 1.5),
    restart_jobs=24,
    restart_grace_s=0.5,
    clock_rounds=1,
    poisons=3,
    among=12,
    slow_sockets=40,
    slow_readers=12,
    patience_s=2.0,
    body_rounds=1,
    greedy_s=4.0,
    greedy_at_once=20,
    greedy_mb=1.0,
    racers=24,
    flood=5_000,
    races=100,
    slow_s=(0.05, 1.0),
    cuts=2,
    fleet_jobs=40,
    fleet_breaks=2,
    fleet_frozen_s=(0.5, 1.0),
    predictions=40,
    prediction_breaks=1,
    batch_items=300,
    batch_kills=1,
    embedded_pictures=270,
)

FULL = Size(
    timed=True,
    lease_s=3.0,
    within_s=600,
    killed_jobs=2_000,
    killed_job_ms=1_000,
    kill_every_s=(0.5, 3.0),
    api_kills=20,
    keyed_jobs=1_000,
    failpoint_times=50,
    redis_kills=20,
    outages_s=(1.0, 5.0, 20.0, 60.0),
    objects_away_s=60.0,
    api_restarts=10,
    frozen_s=30.0,
    restarts=10,
    restart_job_s=(1.0, 30.0),
    restart_jobs=60,
    restart_grace_s=5.0,
    clock_rounds=5,
    poisons=20,
    among=200,
    slow_sockets=500,
    slow_readers=100,
    patience_s=None,
    body_rounds=20,
    greedy_s=60.0,
    greedy_at_once=100,
    greedy_mb=4.0,
    racers=64,
    flood=100_000,
    races=2_000,
    slow_s=(0.05, 0.2, 0.5, 1.0),
    cuts=20,
    fleet_jobs=600,
    fleet_breaks=12,
    fleet_frozen_s=(5.0, 20.0),
    predictions=200,
    prediction_breaks=3,
    batch_items=2_000,
    batch_kills=20,
    embedded_pictures=3_000,
)

SIZE = FULL if FULL_SIZE else SMALL

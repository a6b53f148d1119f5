"""Plans: what a user may do, as data. An admin can change a plan, and override any number for one user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["DEFAULT_PLANS", "Limits"]

_HOUR_S = 3_600
_DAY_S = 86_400
_MIB = 2**20
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of a plan; None is unlimited.

    Rates are per minute and a bucket holds one minute's worth. `slots` counts slots held at once on one queue.
    A retention of less than a day counts as a day (`libs.jobs.job.RETENTION_S_MIN`).
    A unit is a picture, a page, an item. `weight` is the share of a contended queue.
    `stored_bytes_max` bounds what is in the object store: uploads, and artifacts until the end of their retention.
    `attempts_per_submit`: how often a submission may be tried for each that may be admitted; refused ones cost more.
    `records_bytes_max` bounds what is in Redis: what was ordered and what came of it, until it moves to the archive.
    `shares_results`: known results are those of all users of the plan, not the user's own alone.
    """

    units_per_day: int | None
    slots: int
    submits_per_minute: int | None
    reads_per_minute: int | None
    uploads_per_minute: int | None
    queued_max: int
    pictures_per_job: int
    artifact_url_ttl_s: int
    retention_s: int
    weight: int
    stored_bytes_max: int | None = None
    records_bytes_max: int | None = None
    shares_results: bool = False
    attempts_per_submit: int = 20

    def overridden(self, overrides: Mapping[str, Any]) -> Limits:
        """These limits with some numbers replaced; unknown names raise TypeError."""
        return replace(self, **overrides) if overrides else self


DEFAULT_PLANS: Mapping[str, Limits] = {
    "free": Limits(
        units_per_day=10,
        slots=1,
        submits_per_minute=5,
        reads_per_minute=120,
        uploads_per_minute=10,
        queued_max=10,
        pictures_per_job=1,
        artifact_url_ttl_s=_HOUR_S,
        retention_s=7 * _DAY_S,
        weight=1,
        stored_bytes_max=_GIB,
        records_bytes_max=8 * _MIB,
    ),
    "pro": Limits(
        units_per_day=100,
        slots=3,
        submits_per_minute=20,
        reads_per_minute=600,
        uploads_per_minute=60,
        queued_max=100,
        pictures_per_job=4,
        artifact_url_ttl_s=_DAY_S,
        retention_s=30 * _DAY_S,
        weight=4,
        stored_bytes_max=20 * _GIB,
        records_bytes_max=64 * _MIB,
    ),
    "internal": Limits(
        units_per_day=None,
        slots=10,
        submits_per_minute=None,
        reads_per_minute=None,
        uploads_per_minute=600,
        queued_max=100_000,
        pictures_per_job=10,
        artifact_url_ttl_s=7 * _DAY_S,
        retention_s=90 * _DAY_S,
        weight=8,
        records_bytes_max=_GIB,
    ),
}

from __future__ import annotations

from typing import get_args

from apps.api.orders.webhook import JobEvent
from libs.jobs.status import FINISHED, STATUSES
from libs.webhooks.event import EVENTS, JOB_ENDINGS, JOB_EVENTS


def test_every_status_of_a_job_is_an_event() -> None:
    assert {f"job.{status}" for status in STATUSES} == set(JOB_EVENTS) == set(get_args(JobEvent))
    assert {f"job.{status}" for status in FINISHED} == set(JOB_ENDINGS)
    assert len(EVENTS) == len(set(EVENTS))

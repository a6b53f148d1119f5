from __future__ import annotations

import itertools

import pytest

from libs.planner.job import Job
from libs.planner.share import Promotion, Share

numbers = itertools.count(1)


def new_job(lane: str = "-", priority: int = 0) -> Job:
    number = next(numbers)
    return Job(
        id=f"job_{number:04}",
        user="usr",
        queue="cpu",
        lane=lane,
        priority=priority,
        sequence=number,
        units=1,
        day=0,
        deadline_at_ms=0,
        status="queued",
        idempotency=None,
    )


def held(share: Share, count: int = 1, **members: object) -> list[Job]:
    jobs = [new_job(**members) for _ in range(count)]  # type: ignore[arg-type]
    for job in jobs:
        share.hold(job)
    return jobs


def test_as_many_jobs_are_open_as_the_cap_allows() -> None:
    share = Share(cap=2)
    jobs = held(share, 3)
    assert [one.job_id for one in share.promote(1.0, None)] == [job.id for job in jobs[:2]]
    assert share.promote(1.0, None) == []
    share.open.remove(jobs[0].id)
    assert [one.job_id for one in share.promote(1.0, None)] == [jobs[2].id]


def test_a_cap_of_nothing_promotes_nothing() -> None:
    share = Share(cap=0)
    held(share)
    assert share.promote(1.0, None) == []


def test_tags_move_on_by_the_size_over_the_weight() -> None:
    share = Share(cap=3, weight=4, size_s=8.0)
    held(share, 3)
    assert [one.tag for one in share.promote(5.0, None)] == [5.0, 7.0, 9.0]
    assert share.finish == 11.0


def test_nobody_starts_before_virtual_time() -> None:
    share = Share(finish=3.0)
    (job,) = held(share)
    assert share.promote(100.0, None) == [Promotion(job.id, 100.0, 1.0)]


def test_a_newcomer_is_taken_for_a_usual_user_of_the_queue() -> None:
    share = Share(cap=2)
    held(share, 2)
    assert [one.tag for one in share.promote(1.0, 20.0)] == [1.0, 21.0]


def test_what_was_used_is_what_is_charged() -> None:
    share = Share(cap=1, weight=2)
    held(share, 2)
    (first,) = share.promote(1.0, None)
    share.open.remove(first.job_id)
    share.charge(first.charged_s, 9.0, 1.0)
    assert share.finish == pytest.approx(1.0 + 9.0 / 2)
    assert share.size_s == pytest.approx(9.0)


def test_a_users_own_tags_rise_even_when_a_charge_is_corrected() -> None:
    share = Share(cap=2, size_s=10.0)
    held(share, 4)
    first, second = share.promote(1.0, None)
    share.open.remove(first.job_id)
    share.charge(first.charged_s, 0.1, 1.0)
    (third,) = share.promote(1.0, None)
    assert third.tag > second.tag


def test_who_has_nothing_in_flight_owes_one_job_at_most() -> None:
    share = Share(cap=10)
    held(share, 10)
    promoted = share.promote(1.0, None)
    for one in promoted:
        share.open.remove(one.job_id)
        share.charge(one.charged_s, 600.0, 10.0)
    assert share.finish == 610.0


def test_what_left_before_it_ran_is_not_charged_and_teaches_nothing() -> None:
    share = Share(cap=1, size_s=5.0)
    held(share, 2)
    (first,) = share.promote(1.0, None)
    share.open.remove(first.job_id)
    share.charge(first.charged_s, None, 1.0)
    assert (share.finish, share.size_s) == (1.0, 5.0)


def test_priority_goes_before_age_and_age_before_nothing() -> None:
    share = Share(cap=9)
    plain, low, high = held(share)[0], held(share, priority=-3)[0], held(share, priority=10)[0]
    assert [one.job_id for one in share.promote(1.0, None)] == [high.id, plain.id, low.id]


def test_lanes_take_turns() -> None:
    share = Share(cap=6)
    held(share, 4, lane="a")
    held(share, 2, lane="b")
    lanes = {job_id: lane for lane, ordered in share.held.items() for job_id in ordered.items()}
    assert [lanes[one.job_id] for one in share.promote(1.0, None)] == ["a", "b", "a", "b", "a", "a"]


def test_a_job_that_is_taken_out_leaves_no_empty_lane() -> None:
    share = Share()
    (job,) = held(share, lane="a")
    assert share.unhold(job)
    assert not share.unhold(job)
    assert share.idle
    assert share.promote(1.0, None) == []

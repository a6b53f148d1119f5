from __future__ import annotations

import pytest

from apps.api.server.budget import NOBODY, Budget, whose
from libs.errors import Refusal
from libs.metrics import Metrics


def refused(budget: Budget, owner: str, count: int) -> Refusal:
    with pytest.raises(Refusal) as caught:
        budget.hold(owner, "body").grow(count)
    return caught.value


def test_one_owner_gets_a_quarter_and_is_told_that_it_is_theirs() -> None:
    budget = Budget(400)
    hold = budget.hold("usr_a", "body")
    hold.grow(100)
    found = refused(budget, "usr_a", 1)
    assert (found.code, found.retry_after_s, found.members) == ("rate_limited", 5, {"violated-policies": ["bytes"]})
    assert budget.held_by("usr_a") == 100
    hold.release()
    budget.hold("usr_a", "upload").grow(100)


def test_all_together_get_the_whole_and_the_next_is_told_that_it_is_ours() -> None:
    budget = Budget(400)
    for owner in "abcd":
        budget.hold(owner, "body").grow(100)
    assert refused(budget, "e", 1).code == "overloaded"
    assert refused(budget, "a", 1).code == "rate_limited"
    assert budget.held_bytes == 400


def test_what_is_nobodys_counts_towards_all() -> None:
    budget = Budget(400)
    budget.hold(NOBODY, "answer").grow(400)
    assert (budget.held_by(NOBODY), budget.held_bytes) == (0, 400)
    assert refused(budget, NOBODY, 1).code == "overloaded"


def test_a_block_releases_whatever_happens_in_it_and_twice_is_once() -> None:
    budget = Budget(400)

    def hold_and_fail() -> None:
        with budget.hold("a", "body") as hold:
            hold.grow(30)
            hold.grow(30)
            hold.release()
            hold.release()
            hold.grow(50)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        hold_and_fail()
    assert (budget.held_bytes, budget.held_by("a")) == (0, 0)
    assert not budget._of


def test_a_hold_that_was_refused_has_not_grown() -> None:
    budget = Budget(400)
    with budget.hold("a", "body") as hold:
        hold.grow(60)
        with pytest.raises(Refusal):
            hold.grow(60)
        assert hold.bytes == budget.held_bytes == 60


def test_what_cannot_be_refused_any_more_is_counted_all_the_same() -> None:
    budget = Budget(400)
    with budget.hold("a", "body") as hold:
        hold.note(1_000)
        assert refused(budget, "b", 1).code == "overloaded"


def test_users_are_counted_by_their_id_and_others_by_their_address() -> None:
    class Caller:
        user_id = "usr_a"

    assert whose({"arqade.caller": Caller(), "client": ("192.0.2.1", 1)}) == "usr_a"
    assert whose({"arqade.caller": None, "client": ("192.0.2.1", 1)}) == "192.0.2.1"
    assert whose({"client": ("2001:db8::1", 1)}) == whose({"client": ("2001:db8::2", 1)})
    assert whose({}) == "local"


def test_metrics_tell_what_is_held_and_refused() -> None:
    metrics = Metrics()
    budget = Budget(400, metrics)
    value = metrics.registry.get_sample_value
    with budget.hold("a", "upload") as hold:
        hold.grow(70)
        assert value("arqade_bytes_in_flight", {"what": "upload"}) == 70
    refused(budget, "a", 101)
    assert value("arqade_bytes_in_flight", {"what": "upload"}) == 0
    assert value("arqade_bytes_in_flight_max") == 400
    assert value("arqade_bytes_in_flight_refusals_total", {"what": "body", "ceiling": "own"}) == 1

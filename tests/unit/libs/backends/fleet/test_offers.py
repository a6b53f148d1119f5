from __future__ import annotations

from libs.backends.fleet.offers import merged


def test_what_the_servers_offer_together_is_the_union_in_their_order() -> None:
    one = {"models": ["a", "b"], "nodes": {"K": {"inputs": {"m": {"choices": ["a", "b"], "required": True}}}}}
    other = {"models": ["c", "b"], "nodes": {"K": {"inputs": {"m": {"choices": ["c"]}}}, "L": {}}, "loras": ["x"]}
    assert merged([one, other]) == {
        "models": ["a", "b", "c"],
        "nodes": {"K": {"inputs": {"m": {"choices": ["a", "b", "c"], "required": True}}}, "L": {}},
        "loras": ["x"],
    }


def test_one_servers_offer_is_the_fleets() -> None:
    assert merged([{"models": ["a", "a"]}]) == {"models": ["a", "a"]}
    assert merged([]) == {}


def test_values_that_no_set_could_hold_are_told_once() -> None:
    assert merged([{"a": [{"b": 1}, 1]}, {"a": [{"b": 1}, [2]]}]) == {"a": [{"b": 1}, 1, [2]]}

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from libs.planner.ordered import Ordered

members = st.sampled_from("abcdefgh")


def test_members_come_by_score_and_then_by_name() -> None:
    ordered = Ordered()
    for member, score in (("b", 2.0), ("a", 2.0), ("c", 1.0)):
        ordered.put(member, score)
    assert ordered.first() == ("c", 1.0)
    assert ordered.page(2, 1) == ["a", "b"]
    assert ordered.pop(3, up_to=1.5) == [("c", 1.0)]
    assert ordered.pop(3) == [("a", 2.0), ("b", 2.0)]
    assert ordered.first() is None


@given(st.lists(st.tuples(members, st.integers(0, 3), st.sampled_from(["put", "remove", "pop"]))))
def test_it_is_what_a_sorted_dict_would_be(moves: list[tuple[str, int, str]]) -> None:
    ordered, plain = Ordered(), dict[str, float]()
    for member, score, move in moves:
        if move == "put":
            ordered.put(member, score)
            plain[member] = score
        elif move == "remove":
            assert ordered.remove(member) == (plain.pop(member, None) is not None)
        else:
            expected = sorted(plain.items(), key=lambda item: (item[1], item[0]))[:2]
            assert ordered.pop(2) == expected
            for taken, _ in expected:
                del plain[taken]
        assert ordered.items() == plain
        assert ordered.page(len(plain)) == sorted(plain, key=lambda one: (plain[one], one))


def test_moving_a_member_again_and_again_keeps_the_memory_bounded() -> None:
    ordered = Ordered()
    for score in range(10_000):
        ordered.put("a", score)
    assert len(ordered._heap) < 200
    assert ordered.first() == ("a", 9_999)

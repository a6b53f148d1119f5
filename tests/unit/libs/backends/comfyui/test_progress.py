from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libs.backends.comfyui.events import Progress
from libs.backends.comfyui.progress import GraphProgress

SAMPLER = {"class_type": "KSampler", "inputs": {"steps": 20}}
OTHER = {"class_type": "VAEDecode", "inputs": {}}


def test_the_steps_of_several_samplers_add_up() -> None:
    overall = GraphProgress({"a": SAMPLER, "b": SAMPLER, "decode": OTHER}).overall
    told = [overall(Progress("p", node, done, 20)) for node, done in (("a", 10), ("a", 20), ("b", 5), ("b", 20))]
    assert [(one.done, one.total) for one in told] == [(10, 40), (20, 40), (25, 40), (40, 40)]


def test_where_nothing_samples_every_node_counts_alike() -> None:
    """Two stages with a bar each, one after the other, and two nodes without one."""
    graph = GraphProgress(dict.fromkeys("abcd", OTHER))
    told = []
    for node in "abcd":
        graph.begin(node)
        if node in "bd":
            told += [graph.overall(Progress("p", node, done, 6)) for done in (3, 6)]
    assert [one.done / one.total for one in told] == [1.5 / 4, 2 / 4, 3.5 / 4, 1]


def test_what_a_server_says_of_the_total_counts_more_than_the_graph() -> None:
    told = GraphProgress({"a": SAMPLER, "b": SAMPLER}).overall(Progress("p", "a", 5, 10))
    assert (told.done, told.total) == (5, 30)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "x", None]), st.integers(0, 9), st.integers(9, 50))))
def test_it_never_goes_back_whatever_is_told(said: list[tuple[str | None, int, int]]) -> None:
    for nodes in ({"a": SAMPLER, "b": OTHER, "c": SAMPLER}, {"a": OTHER, "b": OTHER, "c": OTHER}):
        graph, furthest = GraphProgress(nodes), 0.0
        for node, done, total in said:
            told = graph.overall(Progress("p", node, done, total))
            assert furthest - 1e-9 <= told.done / told.total <= 1 + 1e-9
            furthest = told.done / told.total

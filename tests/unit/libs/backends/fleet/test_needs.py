from __future__ import annotations

import re

import pytest

from libs.backends.comfyui.schema import read_classes
from libs.backends.fleet.needs import NEEDS_MAX, Needs, offered_digests
from libs.embedded.comfyui_standin.nodes import CHECKPOINTS, LORAS, object_info


def test_what_is_stored_holds_nothing_that_a_caller_wrote() -> None:
    stored = Needs.of(files=["a b\n'; DROP", "ü\ud800"], node_classes=["KSampler"]).stored
    assert re.fullmatch(r"comfyui( [0-9a-f]{16}){3}", stored)


def test_needs_are_the_same_in_whatever_order_and_however_often_they_are_named() -> None:
    assert Needs.of(files=["a", "b", "a"]) == Needs.of(files=["b", "a"])
    assert Needs.of(files=["a"]) != Needs.of(node_classes=["a"])
    assert Needs.of().stored == "comfyui"


def test_a_job_may_need_so_many_names_and_no_more() -> None:
    names = [str(number) for number in range(NEEDS_MAX + 1)]
    assert len(Needs.of(files=names[:-1]).digests) == NEEDS_MAX
    with pytest.raises(ValueError, match="at most"):
        Needs.of(files=names)


@pytest.mark.parametrize("combo", [False, True])
def test_a_server_offers_its_classes_and_every_file_that_one_of_them_lists(*, combo: bool) -> None:
    offered = offered_digests(read_classes(object_info(combo=combo)))
    wanted = Needs.of(files=[*CHECKPOINTS, *LORAS], node_classes=["KSampler", "SaveImage"])
    assert set(wanted.digests) <= offered
    assert not set(Needs.of(files=["other.ckpt"], node_classes=["Other"]).digests) & offered


def test_a_server_that_makes_no_sense_offers_what_can_be_read_of_it() -> None:
    odd = {"A": None, "B": {"input": {"required": {"x": [[1, None, "m.ckpt"]]}}, "output": []}, "C": {"input": 3}}
    assert offered_digests(read_classes(odd)) == set(Needs.of(files=["m.ckpt"], node_classes=["A", "B", "C"]).digests)

from __future__ import annotations

from libs.backends.comfyui.events import Progress
from libs.backends.comfyui.progress import SamplerProgress

SAMPLER = {"class_type": "KSampler", "inputs": {"steps": 20}}


def test_the_steps_of_several_samplers_add_up() -> None:
    overall = SamplerProgress({"a": SAMPLER, "b": SAMPLER, "decode": {"class_type": "VAEDecode", "inputs": {}}}).overall
    told = [overall(Progress("p", node, done, 20)) for node, done in (("a", 10), ("a", 20), ("b", 5), ("b", 20))]
    assert [(one.done, one.total) for one in told] == [(10, 40), (20, 40), (25, 40), (40, 40)]


def test_a_sampler_by_itself_and_other_nodes_tell_of_themselves() -> None:
    assert SamplerProgress({"a": SAMPLER}).overall(Progress("p", "a", 3, 7)) == Progress("p", "a", 3, 7)
    upscale = Progress("p", "upscale", 1, 9)
    assert SamplerProgress({"a": SAMPLER, "b": SAMPLER}).overall(upscale) == upscale


def test_what_a_server_says_of_the_total_counts_more_than_the_graph() -> None:
    told = SamplerProgress({"a": SAMPLER, "b": SAMPLER}).overall(Progress("p", "a", 5, 10))
    assert (told.done, told.total) == (5, 30)

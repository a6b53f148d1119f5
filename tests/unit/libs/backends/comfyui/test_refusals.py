from __future__ import annotations

from typing import Any

import pytest

from libs.backends.comfyui.refusals import workflow_invalid


def refused(*errors: dict[str, Any], node: str = "7") -> dict[str, Any]:
    return {"error": {"message": "x"}, "node_errors": {node: {"class_type": "KSampler", "errors": list(errors)}}}


NOT_IN_LIST = {"type": "value_not_in_list", "message": "Value not in list", "details": "sampler_name: 'x' not in ['a']"}
TRACEBACK = 'Traceback (most recent call last):\n  File "/opt/ComfyUI/execution.py", line 1'


def test_a_value_that_is_not_offered_is_the_callers_fault() -> None:
    failure = workflow_invalid(refused(NOT_IN_LIST))
    assert failure.detail == "node 7 (KSampler): Value not in list: sampler_name: 'x' not in ['a']"
    assert (failure.fault, failure.retryable) == ("caller", False)


def test_a_graph_of_the_wrong_shape_is_ours() -> None:
    assert workflow_invalid(refused({"type": "bad_linked_input", "message": "Bad linked input"})).fault == "ours"
    assert workflow_invalid(refused(NOT_IN_LIST, {"type": "required_input_missing"})).fault == "ours"


@pytest.mark.parametrize("message", [TRACEBACK, "", None, 7])
def test_a_traceback_is_never_told(message: object) -> None:
    error = {"type": "exception_during_validation", "message": message, "details": TRACEBACK, "extra_info": {}}
    assert workflow_invalid(refused(error)).detail == "node 7 (KSampler): not valid"


def test_what_is_wrong_as_a_whole_is_told_where_no_node_is_to_blame() -> None:
    assert workflow_invalid({"error": {"message": "Prompt has no outputs"}}).detail == "Prompt has no outputs"
    assert workflow_invalid({"error": "no prompt", "node_errors": []}).detail == "no prompt"
    assert workflow_invalid({}).detail == "the backend does not accept the workflow"


def test_long_texts_and_many_nodes_are_cut() -> None:
    long = {**NOT_IN_LIST, "details": "x" * 10_000}
    nodes = {str(node): {"class_type": "KSampler", "errors": [long]} for node in range(100)}
    assert len(workflow_invalid({"node_errors": nodes}).detail) < 1_500


@pytest.mark.parametrize(
    "nodes", [7, [], {"7": None}, {"7": {"errors": None}}, {"7": {"errors": [None]}}, {"7": {"errors": [{"type": {}}]}}]
)
def test_a_refusal_that_makes_no_sense_is_a_refusal(nodes: object) -> None:
    assert workflow_invalid({"node_errors": nodes}).code == "workflow_invalid"

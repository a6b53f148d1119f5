"""What an attacker makes of a graph: each mutation takes a valid one and spoils it, or tries to."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from tests.fakes.graphs import CLASSES, DANGEROUS, UPLOAD_ID

__all__ = ["mutated"]

Graph = dict[str, Any]

#: Values that some input somewhere might take for something else.
_VALUES: Final[list[Any]] = [
    *(None, True, False, 0, -1, 1, 2**64, 2**70, -(2**70), 1e308, float("inf"), float("nan"), 1.0, "1", "true"),
    *("", "\x00", "\ud800", "x" * 65_537, "../../etc/passwd", "/etc/passwd", "example.png [input]"),
    *("../output/secret.png [output]", "[output]", "file:///etc/passwd", "http://169.254.169.254/", "C:\\boot.ini"),
    *(
        UPLOAD_ID,
        UPLOAD_ID + " ",
        UPLOAD_ID + "/../x.png",
        UPLOAD_ID.upper(),
        f"{UPLOAD_ID} [output]",
        UPLOAD_ID + "\n",
    ),
    *([], {}, [[]], [["4", 0]], ["4"], ["4", 0, 0], ["4", "0"], ["4", True], ["4", -1], ["4", 0.0], ["4", 99], [4, 0]),
    *({"__value__": ["4", 0]}, {"__value__": "x"}, {"0": "4"}, "['4', 0]", '["4", 0]'),
]
_CLASSES: Final[list[Any]] = [
    *DANGEROUS,
    *("SaveImage ", " SaveImage", "saveimage", "SaveImage\u200b", "S\u0430veImage", "\uff33aveImage", "SaveImage\x00"),
    *("", "KSampler,RunPython", "__class__", "__proto__", "RunPython\n", None, 7, ["SaveImage"], {"SaveImage": 1}),
]
_NODE_MEMBERS: Final[list[tuple[str, Any]]] = [
    *(("_meta", {"title": "x"}), ("_meta", "x"), ("is_changed", "x"), ("__proto__", {}), ("override_display_id", "1")),
    *(("class_type ", "RunPython"), ("inputs ", {}), ("hidden", {"prompt": {}}), ("outputs", ["*"]), ("", "")),
]
_INPUTS: Final = [
    *("code", "url", "image_path", "mask_path", "lutFileName", "filename_prefix", "prompt", "extra_pnginfo"),
    *(
        "unique_id",
        "__value__",
        "",
        "text ",
        "t\u0435xt",
        "image\x00",
        "dynprompt",
        "a" * 200,
        "control_after_generate",
    ),
]


def mutated(graph: Graph, draw: Random) -> Graph:
    """The graph after one to three mutations."""
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        _ = draw.choice(_MUTATIONS)(graph, draw)
        if not graph:
            break
    return graph


def _node(graph: Graph, draw: Random) -> dict[str, Any]:
    found: Any = graph[draw.choice(list(graph))]
    return found if isinstance(found, dict) and isinstance(found.get("inputs"), dict) else {"inputs": {}}


def _rename_class(graph: Graph, draw: Random) -> None:
    _node(graph, draw)["class_type"] = draw.choice(_CLASSES)


def _swap_class(graph: Graph, draw: Random) -> None:
    _node(graph, draw)["class_type"] = draw.choice(list(CLASSES))


def _set_value(graph: Graph, draw: Random) -> None:
    inputs = _node(graph, draw)["inputs"]
    if inputs:
        inputs[draw.choice(list(inputs))] = draw.choice(_VALUES)


def _set_link(graph: Graph, draw: Random) -> None:
    inputs = _node(graph, draw)["inputs"]
    if inputs:
        inputs[draw.choice(list(inputs))] = [draw.choice([*graph, "nowhere", ""]), draw.choice([0, 0, 1, 2, 3])]


def _add_input(graph: Graph, draw: Random) -> None:
    _node(graph, draw)["inputs"][draw.choice(_INPUTS)] = draw.choice(_VALUES)


def _drop_input(graph: Graph, draw: Random) -> None:
    inputs = _node(graph, draw)["inputs"]
    if inputs:
        del inputs[draw.choice(list(inputs))]


def _add_member(graph: Graph, draw: Random) -> None:
    name, value = draw.choice(_NODE_MEMBERS)
    _node(graph, draw)[name] = value


def _break_inputs(graph: Graph, draw: Random) -> None:
    _node(graph, draw)["inputs"] = draw.choice([None, [], "x", [["text", "x"]], 7])


def _break_node(graph: Graph, draw: Random) -> None:
    graph[draw.choice(list(graph))] = draw.choice([None, [], "x", 7, {}, [["class_type", "SaveImage"]]])


def _add_dangerous(graph: Graph, draw: Random) -> None:
    name = draw.choice(list(DANGEROUS))
    graph["99"] = {"class_type": name, "inputs": dict.fromkeys(DANGEROUS[name]["input"]["required"], "x")}
    if draw.random() < 0.5:
        _node(graph, draw)["inputs"]["image"] = ["99", 0]


def _rename_node(graph: Graph, draw: Random) -> None:
    old = draw.choice(list(graph))
    graph[draw.choice(["", "__proto__", "a b", "../1", "x" * 200, "9\n", "\u0661", "9.9"])] = graph.pop(old)


def _drop_node(graph: Graph, draw: Random) -> None:
    del graph[draw.choice(list(graph))]


_MUTATIONS: Final[list[Callable[[Graph, Random], None]]] = [
    *(_rename_class, _swap_class, _set_value, _set_value, _set_value, _set_link, _set_link, _add_input, _add_input),
    *(_drop_input, _add_member, _break_inputs, _break_node, _add_dangerous, _rename_node, _drop_node),
]

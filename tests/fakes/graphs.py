"""Graphs and node classes for the tests of workflows: the stand-in's, and some that nobody should reach."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from libs.backends.comfyui.node_class import CHOICE, NodeInput
from libs.backends.comfyui.schema import read_classes
from libs.embedded.comfyui_standin.nodes import CHECKPOINTS, object_info
from libs.workflows.classes import RawClasses

__all__ = ["ALLOWED", "CLASSES", "DANGEROUS", "INFO", "ODD", "UPLOAD_ID", "picture_graph", "random_graph"]

UPLOAD_ID: Final = "upload_06bd7j3v6c0h2k9m4n8p5q1r7s"

#: What people install: classes that reach for files, addresses and code.
DANGEROUS: Final[Mapping[str, Any]] = {
    "LoadImageOutput": {
        "input": {"required": {"image": ["COMBO", {"image_upload": True, "image_folder": "output"}]}},
        "output": ["IMAGE", "MASK"],
        "output_node": False,
    },
    "LoadImageFromPath": {
        "input": {"required": {"image_path": ["STRING", {}]}},
        "output": ["IMAGE"],
        "output_node": False,
    },
    "LoadImageFromUrl": {"input": {"required": {"url": ["STRING", {}]}}, "output": ["IMAGE"], "output_node": False},
    "RunPython": {"input": {"required": {"code": ["STRING", {}]}}, "output": ["*"], "output_node": False},
    "SaveTextFile": {
        "input": {"required": {"text": ["STRING", {}], "file": ["STRING", {}]}},
        "output": [],
        "output_node": True,
    },
}
#: Allowed ones, with inputs that are not: a choice nobody lists, and a path.
ODD: Final[Mapping[str, Any]] = {
    "CLIPVisionLoader": {
        "input": {"required": {"clip_name": ["COMBO", {"remote": {"route": "/models"}}]}},
        "output": ["CLIP_VISION"],
        "output_node": False,
    },
    "ImageBlur": {
        "input": {
            "required": {"image": ["IMAGE"], "blur_radius": ["INT", {"min": 1, "max": 31}]},
            "optional": {"mask_path": ["STRING", {}], "lutFileName": ["STRING", {}]},
        },
        "output": ["IMAGE"],
        "output_node": False,
    },
}
INFO: Final = {**object_info(), **DANGEROUS, **ODD}
CLASSES: Final = read_classes(INFO)
ALLOWED: Final = RawClasses({"ImageBlur", "CLIPVisionLoader"})

_USABLE: Final = sorted(name for name in CLASSES if ALLOWED.has(name) and name != "CLIPVisionLoader")
_SAVERS: Final = [name for name in _USABLE if CLASSES[name].is_output]


def picture_graph(**sampler: Any) -> dict[str, Any]:
    """A picture from a text."""
    sampling = {"seed": 7, "steps": 4, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    return {
        "4": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINTS[0]),
        "5": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "6": node("CLIPTextEncode", text="a lighthouse", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="fog", clip=["4", 1]),
        "3": node(
            "KSampler",
            model=["4", 0],
            positive=["6", 0],
            negative=["7", 0],
            latent_image=["5", 0],
            **(sampling | sampler),
        ),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", images=["8", 0], filename_prefix="mine"),
    }


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def random_graph(draw: Random) -> dict[str, Any]:
    """A graph that is valid as a raw one: nodes that read from those before them, the last one an output."""
    graph: dict[str, Any] = {}
    for _ in range(draw.randint(1, 8)):
        _add(graph, draw.choice(_USABLE), draw)
    _add(graph, draw.choice(_SAVERS), draw)
    return graph


def _add(graph: dict[str, Any], name: str, draw: Random) -> str:
    """Add a node of a class, and before it what it has to read from; its id."""
    inputs = {
        member: _value(graph, member, one, draw)
        for member, one in CLASSES[name].inputs.items()
        if one.required or (draw.random() < 0.5 and member == "tile_overlap")
    }
    node_id = draw.choice(["", "n", "sub:"]) + str(len(graph))
    graph[node_id] = node(name, **copy.deepcopy(inputs))
    return node_id


def _value(graph: dict[str, Any], member: str, one: NodeInput, draw: Random) -> Any:
    if one.is_file:
        return UPLOAD_ID
    if CHOICE in one.types:
        return draw.choice(one.choices or [""])
    (kind,) = one.types
    literals: dict[str, Callable[[], Any]] = {
        "INT": lambda: draw.randint(int(one.least or 0), min(int(one.most or 0), 2**53)),
        "FLOAT": lambda: draw.choice([one.least, one.most, int(one.most or 0)]),
        "STRING": lambda: draw.choice(["", "a lighthouse", "код", "\n", "../../etc/passwd", "http://127.0.0.1/"]),
        "BOOLEAN": lambda: draw.random() < 0.5,
    }
    return literals[kind]() if kind in literals else _link(graph, kind, draw)


def _link(graph: dict[str, Any], kind: str, draw: Random) -> list[Any]:
    makers = [
        (node_id, index)
        for node_id, body in graph.items()
        for index, brought in enumerate(CLASSES[body["class_type"]].outputs)
        if kind in (brought, "*")
    ]
    if makers and draw.random() < 0.8:
        return list(draw.choice(makers))
    able = [name for name in _SIMPLEST if kind in (*CLASSES[name].outputs, "*")]
    maker = _add(graph, able[0], draw)
    outputs = CLASSES[able[0]].outputs
    return [maker, 0 if kind == "*" else outputs.index(kind)]


#: A way to everything that can be read from, which never turns back on itself.
_SIMPLEST: Final = (
    "CheckpointLoaderSimple",
    "LoadImage",
    "EmptyLatentImage",
    "CLIPTextEncode",
    "PrimitiveString",
    "PrimitiveInt",
    "PrimitiveBoolean",
    "EmptyAudio",
)

"""The workflow that `generate` fills in, in ComfyUI's API format. Pure.

Nodes go by words, ComfyUI takes any id. LoRAs stand between `checkpoint` and whoever reads its outputs; an init image
stands for the empty `latent`. Each picture of a batch has a sampler of its own, with a seed of its own: of pictures
that one sampler draws together, only the first could be drawn again by its seed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from libs.artifacts.dimensions import Size
from libs.backends.comfyui import Graph
from libs.kinds.generate_input import GenerateInput, Lora

__all__ = ["DENOISE", "INIT_IMAGE", "index_of", "picture_graph"]

#: The name under which the init image goes to the server with the graph.
INIT_IMAGE: Final = "arqade-init-image.png"
#: How far to go from an init image, when nobody says.
DENOISE: Final = 0.75

_SAVE = "save-"


def picture_graph(wanted: GenerateInput, *, model: str, seeds: Sequence[int], size: Size) -> Graph:
    """The graph that draws a picture for each seed; the client replaces `filename_prefix`.

    With an `init_image` the file INIT_IMAGE has to be there, in that size.
    """
    graph = {"checkpoint": _node("CheckpointLoaderSimple", ckpt_name=model)}
    source = _add_loras(graph, wanted.loras)
    graph["positive"] = _node("CLIPTextEncode", text=wanted.prompt, clip=[source, 1])
    graph["negative"] = _node("CLIPTextEncode", text=wanted.negative_prompt, clip=[source, 1])
    _add_latent(graph, wanted, size)
    for index, seed in enumerate(seeds):
        _add_picture(graph, wanted, source, index, seed)
    return graph


def index_of(node: str) -> int:
    """Which picture of the batch a saving node of this graph has saved."""
    return int(node.removeprefix(_SAVE))


def _add_loras(graph: dict[str, Any], loras: Sequence[Lora]) -> str:
    """One after the other; the last node, whose outputs are the model and the text encoder."""
    source = "checkpoint"
    for index, lora in enumerate(loras):
        graph[f"lora-{index}"] = _node(
            "LoraLoader",
            model=[source, 0],
            clip=[source, 1],
            lora_name=lora.name,
            strength_model=lora.strength,
            strength_clip=lora.strength if lora.clip_strength is None else lora.clip_strength,
        )
        source = f"lora-{index}"
    return source


def _add_latent(graph: dict[str, Any], wanted: GenerateInput, size: Size) -> None:
    if wanted.init_image is None:
        graph["latent"] = _node("EmptyLatentImage", width=size.width, height=size.height, batch_size=1)
        return
    graph["init"] = _node("LoadImage", image=INIT_IMAGE)
    graph["latent"] = _node("VAEEncode", pixels=["init", 0], vae=["checkpoint", 2])


def _add_picture(graph: dict[str, Any], wanted: GenerateInput, source: str, index: int, seed: int) -> None:
    denoise = 1.0 if wanted.init_image is None else wanted.denoise or DENOISE
    graph[f"sampler-{index}"] = _node(
        "KSampler",
        model=[source, 0],
        positive=["positive", 0],
        negative=["negative", 0],
        latent_image=["latent", 0],
        seed=seed,
        steps=wanted.steps,
        cfg=wanted.cfg_scale,
        sampler_name=wanted.sampler,
        scheduler=wanted.scheduler,
        denoise=denoise,
    )
    graph[f"decode-{index}"] = _node("VAEDecode", samples=[f"sampler-{index}", 0], vae=["checkpoint", 2])
    graph[f"{_SAVE}{index}"] = _node("SaveImage", images=[f"decode-{index}", 0], filename_prefix="arqade")


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}

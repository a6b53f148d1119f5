"""The workflow that `generate` fills in, in ComfyUI's API format. Pure.

Nodes go by words, ComfyUI takes any id. An init image would replace `latent`, LoRAs stand between `checkpoint` and
whoever reads its outputs.
"""

from __future__ import annotations

from typing import Any

from libs.backends.comfyui import Graph
from libs.kinds.generate_input import GenerateInput

__all__ = ["text_to_image"]


def text_to_image(wanted: GenerateInput, *, model: str, seed: int) -> Graph:
    """The graph of a text-to-image run; the client replaces `filename_prefix`."""
    return {
        "checkpoint": _node("CheckpointLoaderSimple", ckpt_name=model),
        "positive": _node("CLIPTextEncode", text=wanted.prompt, clip=["checkpoint", 1]),
        "negative": _node("CLIPTextEncode", text=wanted.negative_prompt, clip=["checkpoint", 1]),
        "latent": _node("EmptyLatentImage", width=wanted.width, height=wanted.height, batch_size=wanted.batch_size),
        "sampler": _node(
            "KSampler",
            model=["checkpoint", 0],
            positive=["positive", 0],
            negative=["negative", 0],
            latent_image=["latent", 0],
            seed=seed,
            steps=wanted.steps,
            cfg=wanted.cfg_scale,
            sampler_name=wanted.sampler,
            scheduler=wanted.scheduler,
            denoise=1.0,
        ),
        "decode": _node("VAEDecode", samples=["sampler", 0], vae=["checkpoint", 2]),
        "save": _node("SaveImage", images=["decode", 0], filename_prefix="arqade"),
    }


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}

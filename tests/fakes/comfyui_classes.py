"""What the node classes of ComfyUI 0.33.0 take and give: facts of its interface, as its `/object_info` tells them.

No model is on that server and no file in its input folder; words for people are left out.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

from libs.backends.comfyui.node_class import NodeClass
from libs.backends.comfyui.schema import read_classes

__all__ = ["VIDEO_COMBINE", "classes_0_33", "object_info_0_33"]

_FILE: Final = Path(__file__).with_name("comfyui_0_33_classes.json.gz")

#: Declared as VideoHelperSuite declares its Video Combine: what depends on the format stands outside the inputs.
VIDEO_COMBINE: Final[Mapping[str, Any]] = {
    "input": {
        "required": {
            "images": ["IMAGE"],
            "frame_rate": ["FLOAT", {"default": 8, "min": 1}],
            "loop_count": ["INT", {"default": 0}],
            "filename_prefix": ["STRING", {"default": "AnimateDiff"}],
            "format": [
                ["image/gif", "image/webp", "video/h264-mp4"],
                {
                    "formats": {
                        "video/h264-mp4": [
                            ["pix_fmt", ["yuv420p", "yuv420p10le"]],
                            ["crf", "INT", {"default": 19, "min": 0, "max": 100}],
                            ["save_metadata", "BOOLEAN", {"default": True}],
                        ]
                    }
                },
            ],
        },
        "optional": {"audio": ["AUDIO"], "meta_batch": ["VHS_BatchManager"]},
        "hidden": {"prompt": "PROMPT"},
    },
    "output": ["VHS_FILENAMES"],
    "output_node": True,
}


@cache
def object_info_0_33() -> Mapping[str, Any]:
    found: Mapping[str, Any] = orjson.loads(gzip.decompress(_FILE.read_bytes()))
    return found


@cache
def classes_0_33() -> Mapping[str, NodeClass]:
    return read_classes({**object_info_0_33(), "VHS_VideoCombine": VIDEO_COMBINE})

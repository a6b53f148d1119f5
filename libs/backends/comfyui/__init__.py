"""The client of ComfyUI's protocol.

client (what handlers call) → run (one graph's way) → server (HTTP), listener (WebSocket);
events, record, refusals, outputs and catalogue are pure readers of what comes back.
"""

from libs.backends.comfyui.client import ComfyUI
from libs.backends.comfyui.outputs import Outcome, OutputFile
from libs.backends.comfyui.patience import Patience
from libs.backends.comfyui.run import TOO_SLOW, Wishes
from libs.backends.comfyui.server import Graph

__all__ = ["TOO_SLOW", "ComfyUI", "Graph", "Outcome", "OutputFile", "Patience", "Wishes"]

"""A stand-in for ComfyUI: its protocol without its models, for machines and tests that have no GPU.

It answers over HTTP and WebSocket as ComfyUI does, runs one prompt at a time, and draws a test picture that says what
it is; its `/system_stats` says so too. It misbehaves on demand (see `faults`). It never stands in by itself: somebody
has to start it and point COMFYUI_URL at it.

server (the port) → wire (HTTP) → routes → prompts (the queue) → execution, graph_run (one run) → stage,
pictures; nodes (validation) · checkpoints · files · sockets (WebSocket clients) · faults (what goes wrong on demand).
"""

from libs.embedded.comfyui_standin.faults import Fault
from libs.embedded.comfyui_standin.server import Standin

__all__ = ["Fault", "Standin"]

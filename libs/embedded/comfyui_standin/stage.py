"""What a running graph does to the world around it: steps take time, pictures are saved, events are sent."""

from __future__ import annotations

import asyncio
import hashlib
import io
import wave
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from libs.embedded.comfyui_standin.faults import Faults
from libs.embedded.comfyui_standin.files import Files
from libs.embedded.comfyui_standin.pictures import draw, preview, size_of
from libs.embedded.comfyui_standin.prompts import Prompt
from libs.embedded.comfyui_standin.sockets import Sockets

__all__ = ["CACHED_MAX", "InterruptedRunError", "NodeError", "Stage", "VanishedError"]

CACHED_MAX = 1_000
_RUN_FAULTS = ("error", "out_of_memory", "device_fault", "interrupted", "vanish", "drop", "gibberish")


class NodeError(Exception):
    """A node raised."""

    def __init__(self, node: str, node_type: str, kind: str, message: str) -> None:
        """`kind` is the name of the exception's class."""
        super().__init__(message)
        self.told = {
            "node_id": node,
            "node_type": node_type,
            "exception_type": kind,
            "exception_message": f"{message}\n",
            "traceback": ['  File "/opt/ComfyUI/execution.py", line 1, in execute\n'],
            "executed": [],
        }


class InterruptedRunError(Exception):
    """The run was interrupted."""


class VanishedError(Exception):
    """The run is gone without a trace."""


async def _drawn(drawing: Mapping[str, Any], index: int) -> bytes:
    """One picture of a batch, as PNG."""
    return await asyncio.to_thread(
        draw,
        seed=drawing["seed"],
        width=drawing["width"],
        height=drawing["height"],
        prompt=drawing["text"],
        index=index,
        label=drawing["model"],
    )


class Stage:
    """Shared by all runs; results of nodes stay in a cache, as ComfyUI keeps them."""

    def __init__(self, sockets: Sockets, files: Files, faults: Faults, step_s: float) -> None:
        self._sockets = sockets
        self._files = files
        self._faults = faults
        self._step_s = step_s
        self._cache: dict[bytes, Any] = {}

    def recall(self, signature: bytes) -> Any:
        """What a node with this signature made before; None when it has not run, or long ago."""
        value = self._cache.pop(signature, None)
        if value is not None:
            self._cache[signature] = value
        return value

    def remember(self, signature: bytes, value: Any) -> None:
        """Keep what a node made; what nobody has asked for the longest goes."""
        self._cache[signature] = value
        if len(self._cache) > CACHED_MAX:
            del self._cache[next(iter(self._cache))]

    def is_silent(self) -> bool:
        """Whether the next sampler shows no progress."""
        return self._faults.strikes("silent") is not None

    async def strike(self, prompt: Prompt, node: str, node_type: str) -> None:
        """In the middle of a sampler's steps is where runs go wrong."""
        match self._faults.strikes(*_RUN_FAULTS):
            case "error":
                raise NodeError(node, node_type, "RuntimeError", "mat1 and mat2 shapes cannot be multiplied")
            case "out_of_memory":
                raise NodeError(node, node_type, "torch.OutOfMemoryError", "Allocation on device 0 would exceed memory")
            case "device_fault":
                raise NodeError(node, node_type, "torch.AcceleratorError", "CUDA error: an illegal memory access")
            case "interrupted":
                raise InterruptedRunError
            case "vanish":
                raise VanishedError
            case "drop":
                self._sockets.cut(prompt.client_id)
            case "gibberish":
                await self._sockets.send_gibberish(prompt.client_id)

    async def step(self, prompt: Prompt) -> None:
        """Take the time of one sampling step; raises InterruptedRunError."""
        if self._faults.strikes("deaf_node"):
            await asyncio.sleep(self._step_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._step_s):
                await prompt.interrupted.wait()
        if prompt.interrupted.is_set():
            raise InterruptedRunError

    async def show(self, prompt: Prompt, node: str, drawing: Mapping[str, Any], done: int) -> None:
        """Send a preview."""
        jpeg = await asyncio.to_thread(preview, seed=drawing["seed"], done=done, total=drawing["steps"])
        await self._sockets.send_preview(prompt.client_id, jpeg, {"node_id": node, "prompt_id": prompt.prompt_id})

    def load(self, node: str, reference: str) -> dict[str, Any]:
        """An uploaded picture, by `subfolder/name`: its size, and what tells it from others."""
        subfolder, _, name = reference.rpartition("/")
        data = self._files.find("input", subfolder, name)
        if data is None:
            raise NodeError(node, "LoadImage", "FileNotFoundError", f"No such file or directory: {reference}")
        try:
            width, height = size_of(data)
        except OSError:
            raise NodeError(node, "LoadImage", "UnidentifiedImageError", "cannot identify image file") from None
        return {"width": width, "height": height, "batch": 1, "picture": hashlib.sha256(data).hexdigest()[:8]}

    async def save(self, drawing: Mapping[str, Any], folder: str, prefix: str) -> list[dict[str, str]]:
        """Draw the pictures of a batch and save them."""
        if self._faults.strikes("no_outputs"):
            return []
        saved = []
        for index in range(drawing["batch"]):
            png = await _drawn(drawing, index)
            if fault := self._faults.strikes("wrong_bytes", "half_bytes"):
                png = b"<html>not a picture</html>" if fault == "wrong_bytes" else png[: len(png) // 2]
            saved.append(self._files.save(folder, prefix, "png", png))
        if self._faults.strikes("files_gone"):
            self._files.clear()
        return saved

    async def send(self, prompt: Prompt, node: str, drawing: Mapping[str, Any]) -> None:
        """Draw the pictures of a batch and send them, as a preview is sent, in full."""
        for index in range(drawing["batch"]):
            png = await _drawn(drawing, index)
            metadata = {"node_id": node, "prompt_id": prompt.prompt_id}
            await self._sockets.send_preview(prompt.client_id, png, metadata, content_type="image/png")

    def record(self, duration_s: float, prefix: str) -> dict[str, str]:
        """Save so much silence."""
        into = io.BytesIO()
        with wave.open(into, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(1)
            sound.setframerate(8_000)
            sound.writeframes(bytes([128]) * int(8_000 * duration_s))
        return self._files.save("output", prefix, "wav", into.getvalue())

    async def note(self, prompt: Prompt, node: str, text: str) -> None:
        """Send a line of text."""
        await self._sockets.send_note(prompt.client_id, node, text)

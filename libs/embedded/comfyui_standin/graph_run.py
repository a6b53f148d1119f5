"""One run of a graph: node after node, each once, those whose result is cached not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson

from libs.embedded.comfyui_standin.prompts import Prompt
from libs.embedded.comfyui_standin.stage import Stage

__all__ = ["GraphRun"]


class GraphRun:
    """The state of one run; `node` is the one that runs. What output nodes put out is added to `outputs`."""

    def __init__(
        self,
        stage: Stage,
        prompt: Prompt,
        outputs: dict[str, Any],
        tell: Callable[..., Awaitable[None]],
        *,
        is_muted: bool = False,
    ) -> None:
        self._is_muted = is_muted
        self._stage = stage
        self._prompt = prompt
        self._outputs = outputs
        self._tell = tell
        self._values: dict[str, Any] = {}
        self._signatures: dict[str, bytes] = {}
        self.node = ""

    async def all_nodes(self) -> None:
        """Run every node that has to; raises what `Stage` raises."""
        order = _in_order(self._prompt.graph)
        self._values = self._recalled(order)
        await self._tell("execution_cached", nodes=list(self._values))
        for node in order:
            if node not in self._values:
                await self._one_node(node)

    def _recalled(self, order: Sequence[str]) -> dict[str, Any]:
        """What is cached, by node, taken at once: by the time that a node is read, the cache may have let it go."""
        found = {node: self._stage.recall(self._signature(node)) for node in order if self._keeps(node)}
        known = {node: value for node, value in found.items() if value is not None}
        # What a cached node showed is told again, whether or not its files are still there.
        self._outputs |= {node: value for node, value in known.items() if self._is_of(node, "PreviewImage")}
        return known

    def _keeps(self, node: str) -> bool:
        """Whether the cache may answer for it; what is sent is sent each time."""
        return not self._is_of(node, "SaveImageWebsocket")

    def _is_of(self, node: str, node_type: str) -> bool:
        return bool(self._prompt.graph[node]["class_type"] == node_type)

    async def _one_node(self, node: str) -> None:
        self.node = node
        await self._tell_state(node, "running", 0, 1)
        await self._tell("executing", node=node, display_node=node)
        value = await self._make(node, self._prompt.graph[node]["class_type"])
        self._values[node] = value
        self._stage.remember(self._signature(node), value)
        await self._tell_state(node, "finished", 1, 1)

    async def _tell_state(self, node: str, state: str, value: float, total: float) -> None:
        told = {"value": value, "max": total, "state": state, "node_id": node, "prompt_id": self._prompt.prompt_id}
        await self._tell("progress_state", nodes={node: told})

    async def _make(self, node: str, node_type: str) -> dict[str, Any]:
        match node_type:
            case "KSampler":
                return await self._sample(node)
            case "SaveImage" | "PreviewImage":
                return await self._save(node, "output" if node_type == "SaveImage" else "temp")
            case "SaveImageWebsocket":
                return await self._send(node)
            case "SaveText":
                await self._stage.note(self._prompt, node, "text is ready")
                return await self._put_out(node, {"text": [self._input(node, "text")]})
            case "SaveAudio":
                duration_s = self._input(node, "audio")["duration"]
                prefix = self._prompt.graph[node]["inputs"]["filename_prefix"]
                return await self._put_out(node, {"audio": [self._stage.record(duration_s, prefix)]})
        return self._brought(node, node_type)

    def _brought(self, node: str, node_type: str) -> dict[str, Any]:
        """What a node brings that takes no time."""
        match node_type:
            case "CheckpointLoaderSimple":
                return {"model": self._input(node, "ckpt_name")}
            case "LoraLoader":
                return self._laid_over(node)
            case "LoadImage":
                return self._stage.load(node, self._input(node, "image"))
            case "EmptyLatentImage":
                sides = {side: self._input(node, side) for side in ("width", "height")}
                return {**sides, "batch": self._input(node, "batch_size")}
            case "RepeatLatentBatch":
                latent = self._input(node, "samples")
                return {**latent, "batch": latent["batch"] * self._input(node, "amount")}
        return self._handed_on(node)

    async def _sample(self, node: str) -> dict[str, Any]:
        steps = self._input(node, "steps")
        drawing = {"seed": self._input(node, "seed"), "steps": steps}
        positive = self._input(node, "positive")
        drawing |= {"text": positive.get("text", ""), "model": self._input(node, "model").get("model", "?")}
        silent = self._stage.is_silent()
        for done in range(1, steps + 1):
            await self._stage.step(self._prompt)
            if silent:
                continue
            if done == max(1, steps // 2):
                await self._stage.strike(self._prompt, node, "KSampler")
            await self._tell_state(node, "running", done, steps)
            await self._tell("progress", node=node, value=done, max=steps)
            if done % 5 == 0 or done == steps:
                await self._stage.show(self._prompt, node, drawing, done)
        latent = self._input(node, "latent_image")
        if "picture" in latent:  # an image that was loaded, and how far to go from it
            drawing["model"] += f" from {latent['picture']} by {self._input(node, 'denoise'):g}"
        return {**latent, **drawing}

    def _laid_over(self, node: str) -> dict[str, Any]:
        """The model with a LoRA over it, told by both their names."""
        model = self._input(node, "model").get("model", "?")
        lora = f"{self._input(node, 'lora_name')} {self._input(node, 'strength_model'):g}"
        return {**self._input(node, "clip"), "model": f"{model} + {lora}"}

    async def _save(self, node: str, folder: str) -> dict[str, Any]:
        blank = {"seed": 0, "width": 512, "height": 512, "batch": 1, "text": "", "model": "no model"}
        drawing = {**blank, **self._input(node, "images")}
        prefix = self._prompt.graph[node]["inputs"].get("filename_prefix", "ComfyUI_temp")
        return await self._put_out(node, {"images": await self._stage.save(drawing, folder, prefix)})

    async def _send(self, node: str) -> dict[str, Any]:
        if not self._is_muted:
            await self._stage.send(self._prompt, node, self._input(node, "images"))
        return {}

    async def _put_out(self, node: str, output: dict[str, Any]) -> dict[str, Any]:
        self._outputs[node] = output
        await self._tell("executed", node=node, display_node=node, output=output)
        return output

    def _input(self, node: str, name: str) -> Any:
        """An input's value; what a link brings is all that the node it comes from has made."""
        given = self._prompt.graph[node]["inputs"].get(name)
        if not isinstance(given, list):
            return given
        made = self._values[given[0]]
        return made["value"] if self._prompt.graph[given[0]]["class_type"].startswith("Primitive") else made

    def _handed_on(self, node: str) -> dict[str, Any]:
        """What other nodes make: all they were given, in one."""
        made: dict[str, Any] = {}
        for name, given in self._prompt.graph[node]["inputs"].items():
            made |= self._values[given[0]] if isinstance(given, list) else {name: given}
        return made

    def _signature(self, node: str) -> bytes:
        """What a node's result depends on: its class, its inputs, and those of all before it."""
        if node not in self._signatures:
            body = self._prompt.graph[node]
            inputs = {
                name: [self._signature(given[0]).hex(), given[1]] if isinstance(given, list) else given
                for name, given in sorted(body["inputs"].items())
            }
            self._signatures[node] = hashlib.sha256(orjson.dumps([body["class_type"], inputs])).digest()
        return self._signatures[node]


def _in_order(graph: Mapping[str, Any]) -> list[str]:
    """The nodes, each after those it reads from; validation has seen to it that there are no loops."""
    order: dict[str, None] = {}

    def visit(node: str) -> None:
        for given in graph[node]["inputs"].values():
            if isinstance(given, list) and given[0] not in order:
                visit(given[0])
        order[node] = None

    for node in graph:
        if node not in order:
            visit(node)
    return list(order)

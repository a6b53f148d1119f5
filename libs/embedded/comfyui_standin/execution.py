"""A prompt's run from start to end, with the events ComfyUI sends, in its order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libs.embedded.comfyui_standin.faults import Faults
from libs.embedded.comfyui_standin.graph_run import GraphRun
from libs.embedded.comfyui_standin.prompts import Ending, Prompt
from libs.embedded.comfyui_standin.sockets import Sockets
from libs.embedded.comfyui_standin.stage import InterruptedRunError, NodeError, Stage, VanishedError

__all__ = ["Execution"]


class Execution:
    """Runs prompts."""

    def __init__(self, stage: Stage, sockets: Sockets, faults: Faults) -> None:
        self._stage = stage
        self._sockets = sockets
        self._faults = faults

    async def run(self, prompt: Prompt) -> Ending:
        """Run a prompt to its end; nothing that goes wrong with it is raised."""
        messages: list[tuple[str, Mapping[str, Any]]] = []
        outputs: dict[str, Any] = {}
        muted = self._faults.strikes("mute") is not None

        async def tell(event: str, **data: Any) -> None:
            told = {"prompt_id": prompt.prompt_id, **data}
            if event.startswith("execution_"):
                messages.append((event, told))
            if not muted:
                await self._sockets.send(prompt.client_id, event, told)

        run = GraphRun(self._stage, prompt, outputs, tell, is_muted=muted)
        try:
            await tell("execution_start")
            await run.all_nodes()
        except InterruptedRunError:
            await tell("execution_interrupted", node_id=run.node, executed=[])
            return Ending("error", outputs, messages)
        except NodeError as error:
            await tell("execution_error", **error.told)
            return Ending("error", outputs, messages)
        except VanishedError:
            self._sockets.cut_all()
            return Ending("error", {}, [], kept=False)
        await tell("execution_success")
        return Ending("success", outputs, messages, kept=not self._faults.strikes("forget"))

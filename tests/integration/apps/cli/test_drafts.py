from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from apps.cli.workflows import workflows
from libs.embedded.comfyui_standin import Standin

SAVED: dict[str, Any] = {
    "nodes": [
        {"id": 1, "type": "LoadImage", "outputs": [{"type": "IMAGE"}], "widgets_values": ["a.png", "image"]},
        {"id": 2, "type": "SaveImage", "inputs": [{"name": "images", "link": 5}], "widgets_values": ["x"]},
        {"id": 3, "type": "CheckpointLoaderSimple", "widgets_values": ["nobody.safetensors"]},
    ],
    "links": [[5, 1, 0, 2, 0, "IMAGE"]],
}


async def drafting(folder: Path, saved: Any, *, port: int | None = None) -> Any:
    file = folder / "saved.json"
    file.write_text(json.dumps(saved))

    async def run(at: int) -> Any:
        arguments = ["draft", str(file), "--comfyui", f"http://127.0.0.1:{at}"]
        return await asyncio.to_thread(CliRunner().invoke, workflows, arguments)

    if port is not None:
        return await run(port)
    async with Standin().listening() as listening:
        return await run(listening)


async def test_a_saved_workflow_becomes_what_is_registered_and_what_is_missing_is_told(tmp_path: Path) -> None:
    found = await drafting(tmp_path, SAVED)
    assert found.exit_code == 0, found.output
    graph = json.loads(found.stdout)["graph"]
    assert graph["2"]["inputs"] == {"filename_prefix": "x", "images": ["1", 0]}
    assert graph["1"]["inputs"]["image"] == "a.png"
    assert "warning: #/graph/3/inputs/ckpt_name: not offered" in found.stderr


async def test_what_is_no_workflow_and_a_server_that_is_away_are_one_clear_line(tmp_path: Path) -> None:
    found = await drafting(tmp_path, {"graph": {}})
    assert (found.exit_code, "it is no workflow" in found.stderr) == (2, True)
    found = await drafting(tmp_path, SAVED, port=9)
    assert found.exit_code == 1
    assert found.stderr.startswith("Error: http://127.0.0.1:9: comfyui is not reachable")

"""A workflow as ComfyUI's editor saves it, made into what is registered."""

from __future__ import annotations

from typing import Any

from libs.backends.comfyui import ComfyUI
from libs.backends.comfyui.schema import read_classes
from libs.workflows.definition import Definition, definition_flaws
from libs.workflows.editor import classes_in, converted_workflow

__all__ = ["drafted"]


async def drafted(saved: Any, address: str) -> tuple[dict[str, Any], list[str]]:
    """The definition, and what the ComfyUI at the address lacks to run it, or may lack.

    Raises NotAWorkflowError, and Unavailable where the ComfyUI does not say what its nodes take.
    """
    names = classes_in(saved)
    server = ComfyUI(address)
    try:
        declarations = await server.declarations(names)
    finally:
        await server.aclose()
    graph = converted_workflow(saved, declarations)
    _, flaws = definition_flaws(Definition(graph=graph), read_classes(declarations))
    return {"graph": graph}, [flaw.warning for flaw in flaws]

"""The scripts of this package, each one round trip. What an admin does is in the audit log by the same script.

While Redis is full a workflow may be retired, and none is put.
"""

from __future__ import annotations

from libs.store.script import Script

__all__ = ["FIND_WORKFLOW", "PUBLISH_CLASSES", "PUT_WORKFLOW", "RETIRE_VERSION", "RETIRE_WORKFLOW"]


def _act(file: str, *, allow_oom: bool = False) -> Script:
    fragments = ("store/clock.lua", "audit/sha256.lua", "audit/record.lua", "workflows/scripts/shelf.lua")
    return Script.of("libs", *fragments, f"workflows/scripts/{file}", allow_oom=allow_oom)


FIND_WORKFLOW = Script.of("libs.workflows.scripts", "find_workflow.lua")
PUBLISH_CLASSES = Script.of("libs.workflows.scripts", "publish_classes.lua")
PUT_WORKFLOW = _act("put_workflow.lua")
RETIRE_VERSION = _act("retire_version.lua", allow_oom=True)
RETIRE_WORKFLOW = _act("retire_workflow.lua", allow_oom=True)

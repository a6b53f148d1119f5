"""The scripts that move deliveries, each one atomic step and one round trip."""

from __future__ import annotations

from libs.store.script import Script

__all__ = [
    "CREATE",
    "DELETE",
    "DISPATCH",
    "FINISH",
    "FORGET",
    "REDELIVER",
    "ROTATE",
    "SEND",
    "TAKE",
    "UPDATE",
]


def _script(*files: str, allow_oom: bool = False) -> Script:
    ours = (f"webhooks/scripts/{file}" for file in files)
    return Script.of("libs", "store/clock.lua", *ours, allow_oom=allow_oom)


DISPATCH = _script("receivers.lua", "message.lua", "dispatch.lua")
TAKE = _script("receivers.lua", "take.lua", allow_oom=True)
FINISH = _script("receivers.lua", "wants.lua", "finish.lua", allow_oom=True)
SEND = _script("receivers.lua", "message.lua", "send.lua")
REDELIVER = _script("receivers.lua", "redeliver.lua")
CREATE = _script("wants.lua", "create.lua")
UPDATE = _script("receivers.lua", "wants.lua", "update.lua", allow_oom=True)
ROTATE = _script("rotate.lua", allow_oom=True)
DELETE = _script("receivers.lua", "wants.lua", "delete.lua", allow_oom=True)
FORGET = _script("receivers.lua", "forget.lua", allow_oom=True)

"""The scripts that move an upload, each one atomic step. Those that end or free something run while Redis is full."""

from __future__ import annotations

from libs.store.script import Script

__all__ = [
    "CREATE_UPLOAD",
    "DISCARD_UPLOAD",
    "DUE_LOOKS",
    "ERASE_UPLOADS",
    "EXPIRE_UPLOADS",
    "FORGET_STORED",
    "HOLD_COMPLETION",
    "LOOK_AT_STORED",
    "RELEASE_UPLOAD",
    "RETAIN_UPLOAD",
    "SETTLE_UPLOAD",
]


def _script(*files: str, allow_oom: bool = False) -> Script:
    ours = (f"artifacts/scripts/{file}" for file in ("kept.lua", *files))
    return Script.of("libs", "store/clock.lua", *ours, allow_oom=allow_oom)


CREATE_UPLOAD = _script("stored.lua", "create_upload.lua")
SETTLE_UPLOAD = _script("stored.lua", "settle_upload.lua", allow_oom=True)
RETAIN_UPLOAD = _script("retain_upload.lua")
DISCARD_UPLOAD = _script("stored.lua", "discard_upload.lua", allow_oom=True)
RELEASE_UPLOAD = _script("stored.lua", "release_upload.lua", allow_oom=True)
FORGET_STORED = _script("stored.lua", "forget_stored.lua", allow_oom=True)
LOOK_AT_STORED = _script("stored.lua", "look_at_stored.lua", allow_oom=True)
HOLD_COMPLETION = _script("hold_completion.lua", allow_oom=True)
DUE_LOOKS = _script("due_looks.lua", allow_oom=True)
EXPIRE_UPLOADS = _script("expire_uploads.lua", allow_oom=True)
ERASE_UPLOADS = _script("erase_uploads.lua", allow_oom=True)

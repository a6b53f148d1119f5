"""The scripts that move an upload, each one atomic step. Those that end or free something run while Redis is full."""

from __future__ import annotations

from libs.store.script import Script

__all__ = ["CREATE_UPLOAD", "ERASE_UPLOADS", "EXPIRE_UPLOADS", "RETAIN_UPLOAD", "SETTLE_UPLOAD"]


def _script(file: str, *, allow_oom: bool = False) -> Script:
    return Script.of("libs.artifacts.scripts", "clock.lua", file, allow_oom=allow_oom)


CREATE_UPLOAD = _script("create_upload.lua")
SETTLE_UPLOAD = _script("settle_upload.lua", allow_oom=True)
RETAIN_UPLOAD = _script("retain_upload.lua")
EXPIRE_UPLOADS = _script("expire_uploads.lua", allow_oom=True)
ERASE_UPLOADS = _script("erase_uploads.lua", allow_oom=True)

"""The scripts of this package, each one round trip.

All that write run while Redis is full: a key that cannot be revoked, and a caller who cannot read or cancel, keep it
full. What they write is bounded: an admin's acts, streams by api key, one time for each key. Those that only read are
not flagged, so that they are answered by a Redis that takes no writes at all.
"""

from __future__ import annotations

from libs.store.script import Script

__all__ = [
    "BEGIN_ERASURE",
    "BOOTSTRAP",
    "CREATE_API_KEY",
    "CREATE_USER",
    "END_ERASURE",
    "ENTER_STREAM",
    "FIND_CALLER",
    "LIST_API_KEYS",
    "LIST_USERS",
    "NOTE_USE",
    "PUT_PLAN",
    "RENEW_STREAMS",
    "REVOKE_API_KEY",
    "ROTATE_API_KEY",
    "UPDATE_USER",
]


def _script(file: str, *, allow_oom: bool = False) -> Script:
    return Script.of("libs", "store/clock.lua", f"access/{file}", allow_oom=allow_oom)


def _act(file: str) -> Script:
    """What an admin does: it is written into the audit log by the same script."""
    fragments = ("access/records.lua", "audit/sha256.lua", "audit/record.lua", "access/facts.lua")
    return Script.of("libs", "store/clock.lua", *fragments, f"access/{file}", allow_oom=True)


BEGIN_ERASURE = _act("begin_erasure.lua")
BOOTSTRAP = _act("bootstrap.lua")
CREATE_API_KEY = _act("create_api_key.lua")
CREATE_USER = _act("create_user.lua")
PUT_PLAN = _act("put_plan.lua")
REVOKE_API_KEY = _act("revoke_api_key.lua")
ROTATE_API_KEY = _act("rotate_api_key.lua")
UPDATE_USER = _act("update_user.lua")

END_ERASURE = _script("end_erasure.lua", allow_oom=True)
ENTER_STREAM = _script("enter_stream.lua", allow_oom=True)
FIND_CALLER = _script("find_caller.lua")
LIST_API_KEYS = _script("list_api_keys.lua")
LIST_USERS = _script("list_users.lua")
NOTE_USE = _script("note_use.lua", allow_oom=True)
RENEW_STREAMS = _script("renew_streams.lua", allow_oom=True)

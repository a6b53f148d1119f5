"""The scripts of this package, each one round trip."""

from __future__ import annotations

from libs.store.script import Script

__all__ = [
    "BOOTSTRAP",
    "CREATE_API_KEY",
    "CREATE_USER",
    "FIND_CALLER",
    "LIST_API_KEYS",
    "LIST_USERS",
    "REVOKE_API_KEY",
    "UPDATE_USER",
]


def _script(*files: str) -> Script:
    return Script.of("libs.access", *files)


BOOTSTRAP = _script("records.lua", "bootstrap.lua")
CREATE_API_KEY = _script("records.lua", "create_api_key.lua")
CREATE_USER = _script("records.lua", "create_user.lua")
FIND_CALLER = _script("find_caller.lua")
LIST_API_KEYS = _script("list_api_keys.lua")
LIST_USERS = _script("list_users.lua")
REVOKE_API_KEY = _script("records.lua", "revoke_api_key.lua")
UPDATE_USER = _script("records.lua", "update_user.lua")

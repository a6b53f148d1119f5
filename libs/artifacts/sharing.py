"""Letting somebody outside fetch an upload: a provider that works on it."""

from __future__ import annotations

from libs.artifacts.objects import Objects
from libs.artifacts.upload import find_upload
from libs.errors import Failure
from libs.store.client import Store

__all__ = ["share_upload"]

_SHARED_S = 3_600


async def share_upload(store: Store, objects: Objects, user_id: str, upload_id: str) -> str | None:
    """An address that a completed upload of this user's can be fetched from for an hour.

    None where the object store has no public address. Raises Failure (the caller's fault) when there is no such upload.
    """
    upload = await find_upload(store, user_id, upload_id)
    if upload is None or upload.status != "completed":
        raise Failure("upload_not_found", "there is no such completed upload", fault="caller")
    if not objects.is_public:
        return None
    return objects.presigned_get(
        upload.object_name, _SHARED_S, filename=upload.filename, content_type=upload.content_type
    )

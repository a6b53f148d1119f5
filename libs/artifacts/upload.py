"""An upload as it is stored, and as a handler sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from libs.artifacts.names import kept_upload_name, upload_name, upload_prefix
from libs.errors import Refusal
from libs.ids import is_id
from libs.store.client import Store

__all__ = ["Upload", "UploadStatus", "UploadedFile", "find_upload", "load_upload", "not_found"]

#: Who moves it: `complete_upload` out of pending, the sweep to expired. Refused and expired are final.
UploadStatus = Literal["pending", "completed", "refused", "expired"]


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A completed upload, as a handler sees it; `content_type` was sniffed from the bytes."""

    upload_id: str
    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload. `content_type` is as declared, and true once it is completed: anything else is refused.

    `expires_at_ms` is when a pending upload's URL lapses, or until when a completed upload is kept. `page_count` is
    known of completed pictures. `refusal` is what a refused one was told: pointer, detail, code.
    `multipart` is the store's id of what is sent in parts, `kept` names the object that it was completed to.
    `is_completing`: somebody is at it, or was until lately.
    """

    id: str
    user_id: str
    filename: str
    content_type: str
    size_bytes: int
    status: UploadStatus
    created_at_ms: int
    expires_at_ms: int
    sha256: str | None = None
    page_count: int | None = None
    refusal: tuple[str, str, str] | None = None
    multipart: str | None = None
    kept: str | None = None
    is_completing: bool = False

    @property
    def prefix(self) -> str:
        """What the names of all its objects begin with."""
        return upload_prefix(self.user_id, self.id, self.created_at_ms)

    @property
    def arrival_name(self) -> str:
        """Where its URL writes."""
        return upload_name(self.user_id, self.id, self.created_at_ms)

    @property
    def object_name(self) -> str:
        """Where its bytes lie: uploads that were completed before there were two places lie where they arrived."""
        return kept_upload_name(self.prefix, self.kept) if self.kept else self.arrival_name


async def find_upload(store: Store, user_id: str, upload_id: str) -> Upload | None:
    """The user's upload of that id, or None; somebody else's upload is none. Raises Unavailable."""
    if not is_id(upload_id, "upload"):
        return None
    reply = await store.call("HGETALL", store.keys.upload + upload_id)
    record = {name.decode(): value.decode() for name, value in zip(reply[::2], reply[1::2], strict=True)}
    return _read(upload_id, record) if record.get("user") == user_id else None


async def load_upload(store: Store, user_id: str, upload_id: str) -> Upload:
    """The user's upload of that id; raises Refusal (404), the same for another user's upload as for none."""
    upload = await find_upload(store, user_id, upload_id)
    if upload is None:
        raise not_found()
    return upload


def not_found() -> Refusal:
    """The same for an upload of another user as for none."""
    return Refusal("not_found", "there is no such upload")


def _read(upload_id: str, record: Mapping[str, str]) -> Upload:
    refused = "refused_detail" in record
    return Upload(
        id=upload_id,
        user_id=record["user"],
        filename=record["filename"],
        content_type=record["content_type"],
        size_bytes=int(record["size"]),
        status=record["status"],  # type: ignore[arg-type]
        created_at_ms=int(record["created"]),
        expires_at_ms=int(record["expires"]),
        sha256=record.get("sha256"),
        page_count=int(record["pages"]) if "pages" in record else None,
        refusal=(record["refused_pointer"], record["refused_detail"], record["refused_code"]) if refused else None,
        multipart=record.get("multipart"),
        kept=record.get("kept"),
        is_completing="completing" in record,
    )

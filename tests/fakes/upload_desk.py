"""One user at the counter: what a caller does with an upload, in a word each."""

from __future__ import annotations

import httpx

from libs.artifacts.announce import create_upload
from libs.artifacts.objects import Objects
from libs.artifacts.uploads import Upload, complete_upload, load_upload
from libs.store.client import Store
from tests.patience import PATIENCE_S

__all__ = ["BYTES_MAX", "Desk", "put"]

BYTES_MAX = 2_000_000


class Desk:
    def __init__(self, store: Store, objects: Objects, user_id: str) -> None:
        self.store = store
        self.objects = objects
        self.user_id = user_id

    async def create(
        self,
        size: int,
        content_type: str = "image/png",
        filename: str = "scan.png",
        ttl_s: int = 60,
        pending_max: int = 100,
    ) -> tuple[Upload, str]:
        upload, (url,) = await create_upload(
            self.store,
            self.objects,
            self.user_id,
            filename=filename,
            content_type=content_type,
            size_bytes=size,
            url_ttl_s=ttl_s,
            bytes_max=BYTES_MAX,
            pending_max=pending_max,
        )
        return upload, url

    async def send(self, data: bytes, content_type: str = "image/png", size: int | None = None) -> tuple[Upload, str]:
        upload, url = await self.create(len(data) if size is None else size, content_type)
        await put(url, data)
        return upload, url

    async def complete(self, upload: Upload) -> Upload:
        return await complete_upload(self.store, self.objects, self.user_id, upload.id)

    async def load(self, upload: Upload) -> Upload:
        return await load_upload(self.store, self.user_id, upload.id)

    async def arrived(self, upload: Upload) -> bool:
        return await self.objects.stat(upload.object_name) is not None

    async def lapse(self, upload: Upload) -> None:
        """Make it due, as if its time had passed."""
        await self.store.call("ZADD", self.store.keys.uploads, 1, upload.id)


async def put(url: str, data: bytes) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        assert (await client.put(url, content=data)).status_code == 200

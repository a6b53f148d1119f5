"""One user at the counter: what a caller does with an upload, in a word each."""

from __future__ import annotations

import httpx

from libs.artifacts.announce import create_upload
from libs.artifacts.looks import Strays, look_at_uploads
from libs.artifacts.objects import Objects
from libs.artifacts.uploads import Upload, complete_upload, load_upload
from libs.store.client import Store
from tests.patience import PATIENCE_S

__all__ = ["BYTES_MAX", "LEADS_NOWHERE", "NOT_AS_SIGNED", "Desk", "put", "put_status"]

BYTES_MAX = 2_000_000
#: What is answered to who sends to a URL that has become useless: that there is nothing, or nothing more at all.
LEADS_NOWHERE = frozenset({404, 0})
#: The same for who sends something else than the URL was signed for.
NOT_AS_SIGNED = frozenset({403, 0})


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
        """`size` is what was announced: other bytes arrive as at a store that checks nothing, past the URL."""
        upload, url = await self.create(len(data) if size is None else size, content_type)
        if size is None:
            await put(url, data, upload.content_type)
        else:
            await self.objects.put(upload.arrival_name, data, content_type)
        return upload, url

    async def complete(self, upload: Upload) -> Upload:
        return await complete_upload(self.store, self.objects, self.user_id, upload.id)

    async def load(self, upload: Upload) -> Upload:
        return await load_upload(self.store, self.user_id, upload.id)

    async def arrived(self, upload: Upload) -> bool:
        """Whether anything of it is in the bucket."""
        return await self.objects.list(upload.prefix) != ()

    async def look(self) -> Strays:
        """Look at everything that is watched, as if a minute had passed."""
        for upload_id in await self.store.call("ZRANGE", self.store.keys.uploads_watched, 0, -1):
            await self.store.call("ZADD", self.store.keys.uploads_watched, 1, upload_id)
        return await look_at_uploads(self.store, self.objects)

    async def lapse(self, upload: Upload) -> None:
        """Make it due, as if its time had passed."""
        await self.store.call("ZADD", self.store.keys.uploads, 1, upload.id)


async def put(url: str, data: bytes, content_type: str = "image/png") -> None:
    assert await put_status(url, data, content_type) == 200


async def put_status(url: str, data: bytes, content_type: str = "image/png") -> int:
    """What the store answers to who PUTs these bytes, said to be of that type; 0 where it hangs up over them."""
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        try:
            return (await client.put(url, content=data, headers={"Content-Type": content_type})).status_code
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            return 0

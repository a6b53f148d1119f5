"""The audit log in the archive, for whoever reads it on from Redis."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from libs.archive.logs import audit_log, read_forwards
from libs.archive.segment import GarbledSegmentError
from libs.artifacts.objects import Objects
from libs.audit.chain import BrokenChainError, Chain, Link, entry_of, verify
from libs.store.client import Store

__all__ = ["verify_all"]


async def verify_all(
    store: Store, objects: Objects, noted: Link | None = None, anchored: Link | None = None
) -> Chain | None:
    """Follow the chain from its first entry in the archive to its last in Redis; see `libs.audit.chain.verify`."""

    async def archived() -> AsyncGenerator[Mapping[str, str]]:
        try:
            async for _entry_id, words in read_forwards(objects, audit_log(store.keys)):
                yield entry_of(words)
        except GarbledSegmentError as garbled:
            raise BrokenChainError(garbled.detail) from garbled

    return await verify(store, noted, archived, anchored)

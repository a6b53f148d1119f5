"""The anchor of the audit log: how far it went, under a digest that only the deployment's pepper makes.

A chain of hashes shows what was changed in it, and not that its end was cut off. So its newest entry is noted in the
object store, and in Redis as well: whoever shortens the log in one of them, or removes the note or puts an older one in
its place, is found by the other. Whoever can write to both and brings both back to what they were at one time is found
only by a hash that was noted elsewhere (`arqade audit verify --noted`).
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from libs.archive.audit import verify_all
from libs.artifacts.objects import Objects
from libs.audit.act import read_act
from libs.audit.chain import BrokenChainError, Chain, Link, follow_from
from libs.store.client import Store

__all__ = ["ANCHORED_WITHIN_S", "Anchor", "Anchors"]

log = logging.getLogger(__name__)

#: A log whose newest entry is older than this is anchored, where a worker runs.
ANCHORED_WITHIN_S: Final = 600
_NAME: Final = "archive/audit-anchor/head.json"
_BYTES_MAX: Final = 4_096
_DOMAIN: Final = b"arqade audit anchor 1"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The `serial`-th anchor: the newest entry at that time, and the stream's id of it."""

    serial: int
    link: Link
    entry_id: str

    def signed(self, pepper: bytes) -> bytes:
        """As it is stored."""
        members = {"serial": self.serial, "n": self.link.number, "hash": self.link.hash, "entry": self.entry_id}
        return orjson.dumps(members | {"digest": self._digest(pepper)})

    def is_signed(self, digest: str, peppers: Sequence[bytes]) -> bool:
        """Whether it was we who stored it."""
        return any(hmac.compare_digest(digest, self._digest(pepper)) for pepper in peppers)

    def _digest(self, pepper: bytes) -> str:
        """HMAC-SHA256 under a key of this purpose alone, over each member as a netstring."""
        words = [str(self.serial), str(self.link.number), self.link.hash, self.entry_id]
        text = b"".join(b"%d:%b," % (len(word), word.encode()) for word in words)
        return hmac.digest(hmac.digest(pepper, _DOMAIN, "sha256"), text, "sha256").hex()


class Anchors:
    """Keeps the anchor at the end of the log, and holds the log against it."""

    def __init__(self, store: Store, objects: Objects, peppers: Sequence[bytes]) -> None:
        """`peppers` are the deployment's, the present one first: former ones are still believed."""
        self._store = store
        self._objects = objects
        self._peppers = tuple(peppers)
        self._last: Anchor | None = None
        self._said = ""

    async def keep(self) -> None:
        """Anchor what was written since; a log that does not go on from its anchor is not anchored, and that is said.

        Raises Unavailable.
        """
        try:
            await self._keep()
            self._said = ""
        except BrokenChainError as error:
            if str(error) != self._said:
                # A Redis that never had the anchor is a new one, or came from a backup: whoever did that knows.
                known = await self._store.call("GET", self._store.keys.audit_anchor) is not None
                level = logging.ERROR if known else logging.WARNING
                log.log(level, "the audit log is not anchored any more, run `arqade audit verify`: %s", error)
            self._said = str(error)

    async def _keep(self) -> None:
        head = await self._head()
        if head is not None and self._last is not None and head.link == self._last.link:
            return
        anchor = await self.load()
        if anchor is not None and await follow_from(self._store, anchor.entry_id, anchor.link) is None:
            await verify_all(self._store, self._objects, anchored=anchor.link)  # it lies in the archive by now
        if head is not None and (anchor is None or anchor.link != head.link):
            anchor = await self._write(Anchor(anchor.serial + 1 if anchor else 1, head.link, head.entry_id))
        self._last = anchor

    async def load(self) -> Anchor | None:
        """The newest anchor; None where there never was one. Raises BrokenChainError and Unavailable."""
        archived = self._read(await self._objects.get(_NAME, bytes_max=_BYTES_MAX), "in the archive")
        noted = self._read(await self._store.call("GET", self._store.keys.audit_anchor), "in Redis")
        if archived is None and noted is not None:
            raise BrokenChainError("its anchor in the archive is gone")
        if archived is not None and noted is not None and archived.serial < noted.serial:
            raise BrokenChainError("its anchor in the archive is an older one than there was")
        return archived

    async def verify(self, noted: Link | None = None) -> tuple[Chain | None, Anchor | None]:
        """Follow the whole log and hold it against its anchor. Raises BrokenChainError and Unavailable."""
        anchor = await self.load()
        chain = await verify_all(self._store, self._objects, noted, anchored=anchor.link if anchor else None)
        if chain is not None and anchor is None and await self._head_age_s() > ANCHORED_WITHIN_S:
            raise BrokenChainError("nothing anchors it, though it is old: the anchor was removed, or no worker runs")
        return chain, anchor

    async def renew(self) -> Anchor | None:
        """Anchor the log as it is, whatever was anchored before: after a restore that is known to have lost entries.

        None where there is no entry. Raises BrokenChainError and Unavailable.
        """
        chain, head = await verify_all(self._store, self._objects), await self._head()
        if chain is None or head is None:
            return None
        serials = [self._serial(await self._objects.get(_NAME, bytes_max=_BYTES_MAX))]
        serials.append(self._serial(await self._store.call("GET", self._store.keys.audit_anchor)))
        return await self._write(Anchor(max(serials) + 1, head.link, head.entry_id))

    async def _write(self, anchor: Anchor) -> Anchor:
        """The archive first: it is never behind what Redis says of it."""
        data = anchor.signed(self._peppers[0])
        await self._objects.put(_NAME, data, "application/json")
        await self._store.call("SET", self._store.keys.audit_anchor, data)
        return anchor

    async def _head(self) -> Anchor | None:
        newest = await self._store.call("XREVRANGE", self._store.keys.audit, "+", "-", "COUNT", 1)
        if not newest:
            return None
        act = read_act(*newest[0])
        return Anchor(0, Link(act.number, act.hash), act.entry_id)

    async def _head_age_s(self) -> float:
        newest = await self._store.call("XREVRANGE", self._store.keys.audit, "+", "-", "COUNT", 1)
        return int((await self._store.call("TIME"))[0]) - read_act(*newest[0]).at_ms / 1_000 if newest else 0.0

    def _read(self, data: bytes | None, where: str) -> Anchor | None:
        if data is None:
            return None
        try:
            told = orjson.loads(data)
            anchor = Anchor(int(told["serial"]), Link(int(told["n"]), str(told["hash"])), str(told["entry"]))
            ours = anchor.is_signed(str(told["digest"]), self._peppers)
        except (ValueError, KeyError, TypeError):
            ours = False
        if not ours:
            raise BrokenChainError(f"its anchor {where} is none of ours (or of a pepper that is forgotten)")
        return anchor

    def _serial(self, data: bytes | None) -> int:
        """Whatever an anchor says of itself: a new one only has to be above it."""
        try:
            return int(orjson.loads(data or b"{}")["serial"])
        except (ValueError, KeyError, TypeError):
            return 0

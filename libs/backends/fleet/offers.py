"""What the servers of the fleet offer: of each, so that jobs get to one that can run them; of all, for the API.

The API never calls a backend: it validates against this copy. Where nothing is known yet it accepts, and the worker
finds out.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from libs.backends.comfyui.catalogue import read_catalogue
from libs.backends.comfyui.node_class import NodeClass
from libs.backends.configured import ConfiguredServer
from libs.backends.fleet.needs import Needs, offered_digests
from libs.backends.fleet.scripts import OFFER
from libs.store.client import Store

__all__ = ["may_be_met", "merged", "publish_all", "publish_server"]

_KEPT_S = 86_400


async def publish_server(
    store: Store,
    server: ConfiguredServer,
    classes: Mapping[str, NodeClass],
    queues: Sequence[str],
) -> None:
    """Write down what a server offers, and wake who waited for it. Raises Unavailable."""
    digests = sorted(offered_digests(classes))
    whole = hashlib.sha256("".join(digests).encode()).hexdigest()
    catalogue = orjson.dumps(read_catalogue(classes))
    await store.call("SET", store.keys.server_catalogue + server.name, catalogue, "EX", _KEPT_S)
    await store.run(OFFER, (), (server.name, whole, server.slots, len(queues), *queues, *digests))


async def publish_all(store: Store, fleet: str, servers: Iterable[ConfiguredServer]) -> None:
    """Write down what they offer together. Raises Unavailable."""
    names = [store.keys.server_catalogue + server.name for server in servers]
    known = [orjson.loads(stored) for stored in await store.call("MGET", *names) if stored]
    if known:
        await store.call("SET", store.keys.catalogue + fleet, orjson.dumps(merged(known)), "EX", _KEPT_S)


async def may_be_met(store: Store, servers: Iterable[str], needs: Needs) -> bool:
    """Whether one of these servers offers all of it, or may: what has not been written down is not known yet.

    Raises Unavailable.
    """
    return any(await asyncio.gather(*[_may_offer(store, store.keys.offers + server, needs) for server in servers]))


async def _may_offer(store: Store, offers: str, needs: Needs) -> bool:
    is_known, offered = await asyncio.gather(
        store.call("EXISTS", offers), store.call("SMISMEMBER", offers, *needs.digests)
    )
    return not is_known or all(offered)


def merged(catalogues: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The union: of lists in the order of the servers, of objects member by member; of anything else the first."""
    found: dict[str, Any] = {}
    for catalogue in catalogues:
        for name, value in catalogue.items():
            found[name] = _union(found[name], value) if name in found else value
    return found


def _union(one: Any, other: Any) -> Any:
    if isinstance(one, list) and isinstance(other, list):
        return one if one == other else list({orjson.dumps(value): value for value in (*one, *other)}.values())
    if isinstance(one, dict) and isinstance(other, dict):
        return one if one == other else merged((one, other))
    return one

"""Publishing what a backend offers: the API never calls a backend, it validates against this copy."""

from __future__ import annotations

import asyncio
import logging

import orjson

from libs.backends.comfyui import ComfyUI
from libs.errors import Failure, Unavailable
from libs.store.client import Store
from libs.workflows.node_classes import publish_classes

__all__ = ["publish_catalogue"]

log = logging.getLogger(__name__)

_EVERY_S = 30.0
_AGAIN_S = 2.0
_KEPT_S = 86_400


async def publish_catalogue(store: Store, comfyui: ComfyUI) -> None:
    """Ask the backend every half minute, for ever; while it is away the last answer stands for a day."""
    while True:
        try:
            catalogue = await comfyui.catalogue()
            await store.call("SET", store.keys.catalogue + comfyui.name, orjson.dumps(catalogue), "EX", _KEPT_S)
            await publish_classes(store, comfyui.name, await comfyui.node_classes())
        except (Unavailable, Failure) as error:
            log.debug("no catalogue of %s: %s", comfyui.name, error)
            await asyncio.sleep(_AGAIN_S)
        except Exception:
            log.exception("publishing the catalogue of %s failed", comfyui.name)
            await asyncio.sleep(_EVERY_S)
        else:
            await asyncio.sleep(_EVERY_S)

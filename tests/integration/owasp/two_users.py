"""Two users of one deployment: one who has one of everything, and one who would like to have it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.api.routing import Route
from tests.fakes.api import Api
from tests.fakes.customers import BATCHES, COMPARED, COMPARISONS, JOBS, PICTURE, Customer, customer_of

__all__ = ["CATALOGUES", "FILE", "Pair", "identified", "pair_of"]

FILE: Mapping[str, Any] = {"filename": "page.png", "content_type": "image/png", "size_bytes": 10}
#: Routes whose parameter names what everybody shares: no one owns it.
CATALOGUES = frozenset({"/api/v1/kinds/{kind}", "/api/v1/backends/{backend}/limiter", "/api/v1/workflows/{name}"})
_PARAMETER = re.compile(r"\{([a-z_]+)\}")


def identified(route: Route) -> bool:
    """Does its path hold the id of a thing?"""
    return "{" in route.path and route.path not in CATALOGUES


@dataclass(frozen=True)
class Pair:
    """`things` are the owner's, by the first words of the path that leads to them."""

    owner: Customer
    other: Customer
    things: Mapping[str, Mapping[str, str]]

    def path_to(self, route: Route) -> str:
        """The route's path with the owner's things put in. Fails for a route whose things are not told here."""
        begins = [start for start in self.things if route.path.startswith(start)]
        assert begins, f"{route.method} {route.path}: say in two_users.py whose things this route leads to"
        return _PARAMETER.sub(lambda found: self.things[max(begins, key=len)][found[1]], route.path)


async def pair_of(api: Api) -> Pair:
    """The two of them; the owner has a job that waits, an upload, a webhook, a key, and themselves."""
    owner, other = await customer_of(api), await customer_of(api)
    job, me = await owner.job(), await owner.me()
    upload = (await owner.post("/api/v1/uploads", FILE)).json()
    hook = (await owner.post("/api/v1/webhooks", {"url": "https://example.com/hook"})).json()
    delivery = (await owner.post(f"/api/v1/webhooks/{hook['id']}/ping")).json()
    batch = (await owner.post(BATCHES, {"kind": "generate", "items": [dict(PICTURE)]})).json()
    things = {
        BATCHES: {"id": batch["id"]},
        COMPARISONS: {"id": (await owner.post(COMPARISONS, COMPARED)).json()["id"]},
        "/api/v1/webhooks": {"id": hook["id"], "delivery_id": delivery["id"]},
        JOBS: {"id": job["id"], "name": "0.png"},
        "/api/v1/uploads": {"upload_id": upload["id"]},
        "/callbacks": {"token": job["id"]},  # whoever knows a job does not know the token that wakes it
        "/admin/users": {"user_id": me["id"]},
        "/admin/api-keys": {"api_key_id": me["api_key"]["id"]},
        "/admin/dead": {"id": job["id"]},
        "/admin/plans": {"name": "pro"},
        "/admin/queues": {"name": "gpu"},
        "/admin/workflows": {"name": "picture", "version": "1"},
    }
    return Pair(owner, other, things)

"""Which Redis a thing lives in."""

from __future__ import annotations

from libs.store.client import Store

__all__ = ["Cells"]


class Cells:
    """Names the store of a user's things, and the store of what belongs to nobody.

    Today both are the one Redis. ARQ's fixed key prefixes rule out Redis Cluster, so the way past one Redis is
    cells: users spread over several primaries, each with workers of its own. That stays possible as long as
    nobody takes a store from anywhere else, and no script reaches into both.
    """

    def __init__(self, store: Store) -> None:
        """All in one cell."""
        self._store = store

    def home_of(self, user_id: str) -> Store:
        """Where everything of this user is: jobs, shares, usage, ledger, uploads."""
        return self._store

    @property
    def shared(self) -> Store:
        """Where everything else is: limiters, breakers, plans, the catalogue, the directory of api keys."""
        return self._store

"""Forgetting the uploads of a user who is being erased."""

from __future__ import annotations

from libs.artifacts.objects import Objects
from libs.artifacts.scripts import ERASE_UPLOADS
from libs.ids import is_id
from libs.store.client import Store

__all__ = ["erase_uploads"]

_PAGE = 500
_ID_AT = 4  # where the id stands in user/yyyy/mm/dd/upload/original


async def erase_uploads(store: Store, objects: Objects, user_id: str) -> None:
    """Forget the records; their objects are removed with all others of the user. Raises Unavailable.

    An upload whose URL still works keeps a bare record until the URL has lapsed: the sweep finds by it what may yet
    arrive. What was refused or has expired has no object, and forgets itself within a day.
    """
    await store.run(ERASE_UPLOADS, (), (user_id,))
    last = None
    while page := await objects.list(f"{user_id}/", after=last, limit=_PAGE):
        found = {part for each in page for part in each.name.split("/")[_ID_AT : _ID_AT + 1]}
        await store.run(ERASE_UPLOADS, (), (user_id, *[one for one in found if is_id(one, "upload")]))
        last = page[-1].name

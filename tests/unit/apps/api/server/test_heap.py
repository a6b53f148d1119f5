from __future__ import annotations

import gc

from apps.api.server.heap import freeze_heap


def test_what_start_up_has_made_is_not_looked_at_by_a_collection() -> None:
    made = [{"n": n} for n in range(1_000)]
    before = gc.get_freeze_count()
    try:
        freeze_heap()
        assert gc.get_freeze_count() > before + len(made)
        assert not any(each is made for each in gc.get_objects())
    finally:
        gc.unfreeze()

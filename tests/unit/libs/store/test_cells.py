from __future__ import annotations

from libs.store.cells import Cells
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.url import parse_url


def test_today_everything_is_in_one_cell() -> None:
    store = Store(parse_url("redis://"), Keyspace.with_prefix(""))
    cells = Cells(store)
    assert cells.home_of("usr_1") is cells.home_of("usr_2") is cells.shared is store

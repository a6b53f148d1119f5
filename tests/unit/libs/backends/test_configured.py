from __future__ import annotations

import pytest

from libs.backends.configured import ConfiguredBackend
from libs.backends.limiter import Rule
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.url import parse_url

STORE = Store(parse_url("redis://127.0.0.1"), Keyspace.with_prefix("arqade"))


def test_a_limiter_is_named_after_its_backend_and_what_it_counts() -> None:
    backend = ConfiguredBackend("replicate", "prediction", is_configured=True, limits={"create": Rule(450)})
    assert backend.limiter(STORE, "create").name == "replicate:create"
    assert backend.breaker(STORE).name == "replicate"


def test_a_bucket_that_a_backend_does_not_have_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        ConfiguredBackend("comfyui", "comfyui", is_configured=True).limiter(STORE, "create")

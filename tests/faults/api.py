"""The API for fault runs: as it is, but offering the kinds of tests, and telling a webhook of every job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.api.main import serve
from apps.settings import Settings
from libs.admission import admit
from tests.faults.kinds import offer_fault_kinds

__all__ = ["WEBHOOK"]

WEBHOOK = "webhook_of_faults"


def _with_webhook(members: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Every record names a webhook, so that the outbox must tell the whole story."""
    return lambda *application: [*members(*application), "webhook", WEBHOOK]


if __name__ == "__main__":
    offer_fault_kinds()
    vars(admit)["_members"] = _with_webhook(vars(admit)["_members"])
    raise SystemExit(serve(Settings()))

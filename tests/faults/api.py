"""The API for fault runs: as it is, but offering the kinds of tests, and telling a webhook of every job.

Its patience with slow clients can be made shorter, for runs that have no time to watch it run out, and its clock wrong.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from apps.settings import Settings
from libs import limits
from libs.admission import admit
from tests.faults.clock import set_clock
from tests.faults.kinds import offer_fault_kinds

__all__ = ["PATIENCE", "WEBHOOK"]

WEBHOOK = "receiver scheduled queued running succeeded failed canceled expired"
#: The variable that names the patience, in seconds.
PATIENCE = "ARQADE_FAULTS_PATIENCE_S"


def _with_webhook(members: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Every record names a webhook, so that the outbox must tell the whole story."""
    return lambda *application: [*members(*application), "webhook", WEBHOOK]


def _be_impatient(patience_s: float) -> None:
    for name in ("HEADERS_S", "BODY_IDLE_S", "SLOW_READER_S"):
        vars(limits)[name] = patience_s


if __name__ == "__main__":
    if PATIENCE in os.environ:
        _be_impatient(float(os.environ[PATIENCE]))
    set_clock(os.environ)
    from apps.api.main import serve  # some of it reads its limits when it is imported

    offer_fault_kinds()
    vars(admit)["record_members"] = _with_webhook(admit.record_members)
    raise SystemExit(serve(Settings()))

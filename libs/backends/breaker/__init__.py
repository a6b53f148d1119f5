"""The circuit breaker: a backend that keeps failing is left alone for a while, by all workers together.

::

    closed ── 5 failures in a row, or half of 20 and more in a minute ──► open, 5 s · 2ⁿ up to 60 s
      ▲                                                                    │       ▲
      └── three successes ── half-open: one probe in the whole cluster ◄───┘       │ n + 1
                                      └── a failure ───────────────────────────────┘
"""

from libs.backends.breaker.breaker import Breaker, Call
from libs.backends.breaker.rule import Rule
from libs.backends.breaker.shadow import Shadow, State

__all__ = ["Breaker", "Call", "Rule", "Shadow", "State"]

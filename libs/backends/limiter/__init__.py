"""The outbound limiter: what a provider allows, shared by all workers, used to the full and never exceeded.

limiter (what callers hold) → scripts: reserve (book, then start), feedback (what became of it), stats.
docs/explanation/outbound-limiter.md says how it works and what a real run looks like.
"""

from libs.backends.limiter.limiter import Limiter, NoSlot, Slot
from libs.backends.limiter.rule import Rule
from libs.backends.limiter.use import Use

__all__ = ["Limiter", "NoSlot", "Rule", "Slot", "Use"]

"""How long a test waits for what must come: longer than any machine takes that gets there at all.

It decides nothing but when a test that hangs fails. What must come *soon* is a promise about time, and stands in
`prompt` (tests/run/promises.py).
"""

from __future__ import annotations

__all__ = ["PATIENCE_S"]

PATIENCE_S = 60.0

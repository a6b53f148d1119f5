"""How many examples a property is tried with: few at the desk, more in CI, very many in `make faults`.

No property has a deadline: how long one example takes says something of the machine, and nothing of the code.
A test that needs another number says so relative to its profile's (`examples`).
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

__all__ = ["examples", "set_up"]

_EXAMPLES = {"desk": 100, "ci": 300, "full": 10_000}


def set_up() -> None:
    """Name the profiles for --hypothesis-profile; without it, it is the desk's."""
    for name, count in _EXAMPLES.items():
        settings.register_profile(
            name,
            max_examples=count,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],  # it is the machine that is slow
            print_blob=True,
        )
    settings.load_profile("desk")


def examples(share: float) -> int:
    """So many times the examples of the profile in force, one at the least."""
    return max(1, round(settings().max_examples * share))

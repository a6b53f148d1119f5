from __future__ import annotations

import pytest

from libs.backends.limiter.rule import Rule


@pytest.mark.parametrize("field", ["per_minute", "tokens_per_minute", "in_flight_max", "bookings_max", "window_s"])
def test_a_rule_that_allows_nothing_is_a_mistake(field: str) -> None:
    with pytest.raises(ValueError, match="allows nothing"):
        Rule(**{"per_minute": 1, field: 0})


def test_what_is_not_limited_is_none() -> None:
    rule = Rule(per_minute=450)
    assert (rule.tokens_per_minute, rule.in_flight_max) == (None, None)

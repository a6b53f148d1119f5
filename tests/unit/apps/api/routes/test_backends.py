from __future__ import annotations

from dataclasses import replace

import pytest

from apps.api.routes.backends import limiter_view
from libs.backends.limiter import Rule, Use

RULE = Rule(per_minute=450)
BUSY = Use(queued=20, requests=448, tokens=0, in_flight=0, paused_s=0.0, share=1.0, delay_s=0.3)


def test_the_answer_has_the_words_that_the_former_service_used() -> None:
    assert limiter_view(RULE, BUSY) == {
        "status": "healthy",
        "rateLimiter": {"queueLength": 20, "requestsInLastMinute": 448, "maxRPM": 450, "rpmUsagePercent": 99.6},
        "health": {"queueHealthy": True, "rpmHealthy": True},
    }


@pytest.mark.parametrize(
    "queued, status, is_healthy",
    [(0, "healthy", True), (499, "healthy", True), (500, "warning", False), (1_000, "critical", False)],
)
def test_a_long_row_is_a_warning_and_a_longer_one_critical(queued: int, status: str, is_healthy: bool) -> None:
    view = limiter_view(RULE, replace(BUSY, queued=queued))
    assert view["status"] == status
    assert view["health"] == {"queueHealthy": is_healthy, "rpmHealthy": True}


@pytest.mark.parametrize("paused_s, share, status", [(3.0, 0.9, "critical"), (0.0, 0.93, "warning")])
def test_a_limit_that_the_provider_refused_is_not_healthy(paused_s: float, share: float, status: str) -> None:
    view = limiter_view(RULE, replace(BUSY, paused_s=paused_s, share=share))
    assert view["status"] == status
    assert view["health"] == {"queueHealthy": True, "rpmHealthy": False}

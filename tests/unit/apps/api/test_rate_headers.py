from __future__ import annotations

from apps.api.rate_headers import rate_headers
from libs.admission.rate import Rate

SUBMITS = Rate("submits", 20, 13, 60, 3.2)
JOBS = Rate("jobs", 100, 7, 86_400, 70.0)


def test_the_first_policy_is_what_most_clients_read() -> None:
    headers = dict(rate_headers([SUBMITS, JOBS]))
    assert headers[b"x-ratelimit-limit"] == b"20"
    assert headers[b"x-ratelimit-remaining"] == b"13"
    assert headers[b"x-ratelimit-reset"] == b"4"


def test_every_policy_is_told_as_the_draft_says() -> None:
    headers = dict(rate_headers([SUBMITS, JOBS]))
    assert headers[b"ratelimit-policy"] == b'"submits";q=20;w=60, "jobs";q=100;w=86400'
    assert headers[b"ratelimit"] == b'"submits";r=13;t=4, "jobs";r=7;t=70'


def test_no_rates_no_headers() -> None:
    assert rate_headers(()) == []

from __future__ import annotations

from libs.metrics import Metrics


def test_each_process_counts_for_itself() -> None:
    one, other = Metrics(), Metrics()
    one.requests.labels("GET", "/ping", 200).inc()
    assert b'arqade_http_requests_total{method="GET",route="/ping",status="200"} 1.0' in one.render()
    assert b'route="/ping"' not in other.render()


def test_every_metric_is_ours_by_name_and_says_what_it_is() -> None:
    for family in Metrics().registry.collect():
        assert family.name.startswith("arqade_")
        assert family.documentation

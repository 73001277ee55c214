"""What is counted under which labels, and that nothing unbounded or personal becomes one."""

import pytest

from talaria.adapters.telemetry.metrics import Metrics, avoided_by
from talaria.adapters.telemetry.recorder import EventBus
from talaria.domain.events import (
    Attempt,
    ExchangeFinished,
    FlowLabels,
    RequestContext,
    RequestForwarded,
    RetryRefused,
    ShadowAnswered,
    Trace,
)
from talaria.testing.contracts.recorder import RecorderContract
from tests.unit.adapters.telemetry.support_metrics import attempt, count, ended, metrics, text_of


def test_a_request_is_counted_and_timed() -> None:
    counted = metrics()
    count(counted, ended())
    count(counted, ended(seconds=0.4))
    text = text_of(counted)
    assert 'talaria_requests_total{method="GET",origin="",reason="",status="200",tag="wind"} 2.0' in text
    assert 'talaria_request_duration_seconds_bucket{le="0.005",tag="wind"} 1.0' in text
    assert 'talaria_request_duration_seconds_bucket{le="0.5",tag="wind"} 2.0' in text
    assert 'talaria_request_duration_seconds_count{tag="wind"} 2.0' in text
    assert 'talaria_request_duration_seconds_sum{tag="wind"} 0.404' in text


def test_rendering_twice_counts_nothing_twice() -> None:
    counted = metrics()
    count(counted, ended())
    assert text_of(counted) == text_of(counted)
    count(counted, ended())
    assert 'status="200",tag="wind"} 2.0' in text_of(counted)


def test_a_duration_over_the_last_bucket_is_counted() -> None:
    counted = metrics()
    count(counted, ended(seconds=60.0))
    text = text_of(counted)
    assert 'talaria_request_duration_seconds_bucket{le="10.0",tag="wind"} 0.0' in text
    assert 'talaria_request_duration_seconds_bucket{le="+Inf",tag="wind"} 1.0' in text


def test_unknown_tags_and_methods_fold() -> None:
    counted = metrics()
    for number in range(50):
        count(counted, ended(404, tag=f"x{number}", method=f"M{number}", reason="unknown-api-tag", origin="client"))
    text = text_of(counted)
    assert 'method="other",origin="client",reason="unknown-api-tag",status="404",tag="other"} 50.0' in text
    assert "x7" not in text
    assert "M7" not in text


def test_new_tags_can_be_learnt() -> None:
    counted = metrics()
    counted.set_known_tags(["wind", "train"])
    count(counted, ended(tag="train"))
    assert 'tag="train"' in text_of(counted)


def test_a_5xx_is_counted_by_its_origin() -> None:
    counted = metrics()
    count(counted, ended(502, reason="partner-unreachable", origin="partner"))
    count(counted, ended(499, reason="client-gone", origin="client"))
    text = text_of(counted)
    assert 'talaria_5xx_total{origin="partner",reason="partner-unreachable",tag="wind"} 1.0' in text
    assert text.count("talaria_5xx_total{") == 1


def test_a_5xx_begins_with_500() -> None:
    counted = metrics()
    context = RequestContext(
        tag="wind", trace_id="a" * 32, trace=Trace("a" * 32, b"00-%b-%b-00" % (b"a" * 32, b"b" * 16))
    )
    count(counted, ended(499, context=context))
    assert not counted.tallies().exemplars
    count(counted, ended(500, reason="internal-error", origin="gateway", context=context))
    assert counted.tallies().counters["5xx"]["wind", "gateway", "internal-error"] == 1
    assert len(counted.tallies().exemplars) == 1


def test_what_waits_is_brought_before_anything_is_read() -> None:
    counted = metrics()
    counted.before_reading = lambda: count(counted, ended())
    assert 'status="200",tag="wind"} 1.0' in text_of(counted)


def test_a_request_is_counted_by_its_caller_where_there_is_one() -> None:
    counted = metrics()
    count(
        counted, ended(401, reason="invalid-token", origin="client", context=RequestContext(tag="wind", caller="app"))
    )
    count(counted, ended(401, reason="missing-token", origin="client"))
    text = text_of(counted)
    assert 'talaria_requests_total{caller="app",method="GET",origin="client",reason="invalid-token"' in text
    assert 'talaria_requests_total{method="GET",origin="client",reason="missing-token"' in text


def test_calls_to_an_upstream_are_counted_by_its_url() -> None:
    counted = metrics()
    for url in ("http://a", "http://a", "http://b"):
        count(counted, attempt("ok", "services", url))
    text = text_of(counted)
    assert 'talaria_dependency_requests_total{dependency="services",outcome="ok",url="http://a"} 2.0' in text
    assert 'talaria_dependency_request_duration_seconds_count{dependency="services",url="http://b"} 1.0' in text


def test_retries_that_the_budget_did_not_allow_are_counted() -> None:
    counted = metrics()
    count(counted, RetryRefused("wind"))
    assert 'talaria_retries_refused_total{dependency="wind"} 1.0' in text_of(counted)


def test_access_lines_that_wait_or_are_lost_are_told() -> None:
    text = text_of(metrics(lines=lambda: (7, 2)), metrics(lines=lambda: (1, 1)))
    assert "talaria_access_lines_waiting_bytes 8.0" in text
    assert "talaria_access_lines_lost_total 3.0" in text


def test_certificates_are_ours_and_those_that_servers_show() -> None:
    counted = metrics(states=lambda: {"certificate_expiry_timestamp_seconds": {("server", "wind"): 3.0}})
    counted.configured("aaaa", 1.0, certificates={("listener", ""): 1.0, ("client", "wind"): 2.0})
    text = text_of(counted)
    assert 'talaria_certificate_expiry_timestamp_seconds{kind="listener"} 1.0' in text
    assert 'talaria_certificate_expiry_timestamp_seconds{dependency="wind",kind="client"} 2.0' in text
    assert 'talaria_certificate_expiry_timestamp_seconds{dependency="wind",kind="server"} 3.0' in text


def test_exchanges_and_calls_are_counted() -> None:
    counted = metrics()
    count(counted, ExchangeFinished("wind", "miss"))
    count(counted, Attempt("personal", 0.0, 0.02, "503"))
    count(counted, ShadowAnswered("wind", "wind_v2", "other", "0123456789ab", "r-1"))
    text = text_of(counted)
    assert 'talaria_shadow_total{adapter="wind_v2",partner="wind",result="other"} 1.0' in text
    assert 'talaria_exchange_total{partner="wind",result="miss"} 1.0' in text
    assert 'talaria_dependency_requests_total{dependency="personal",outcome="503"} 1.0' in text
    assert 'talaria_dependency_request_duration_seconds_count{dependency="personal"} 1.0' in text


def test_outcomes_are_bounded() -> None:
    counted = metrics()
    for number in range(200):
        count(counted, Attempt("personal", 0.0, 0.0, f"o{number}"))
    count(counted, attempt("o0"))
    text = text_of(counted)
    assert 'talaria_dependency_requests_total{dependency="personal",outcome="o0"} 2.0' in text
    assert text.count("talaria_dependency_requests_total{") == 65
    assert 'talaria_dependency_requests_total{dependency="personal",outcome="other"} 136.0' in text


def test_gauges_and_build() -> None:
    text = text_of(metrics(7, 3))
    assert "talaria_identity_cache_entries 7.0" in text
    assert "talaria_requests_in_flight 3.0" in text
    assert 'version="1.2.3"} 1.0' in text
    assert "_created" not in text


def test_each_failure_is_counted_from_0_for_each_tag() -> None:
    counted = metrics(failures=[("partner", "partner-timeout"), ("upstream", "")])
    assert 'talaria_5xx_total{origin="partner",reason="partner-timeout",tag="wind"} 0.0' in text_of(counted)
    count(counted, ended(504, reason="partner-timeout", origin="partner"))
    counted.set_known_tags(["wind", "train"])
    text = text_of(counted)
    assert 'talaria_5xx_total{origin="partner",reason="partner-timeout",tag="wind"} 1.0' in text
    assert 'talaria_5xx_total{origin="upstream",reason="",tag="train"} 0.0' in text


def test_the_limits_of_all_workers_are_summed_beside_what_they_limit() -> None:
    workers = [metrics(worker=0), metrics(worker=1)]
    for worker in workers:
        worker.configured("aaaa", 1.0, in_flight_limit=1024, identities_limit=1000)
    text = text_of(*workers)
    assert "talaria_requests_in_flight_limit 2048.0" in text
    assert "talaria_identity_cache_limit 2000.0" in text
    assert "talaria_workers 2.0" in text


def test_each_state_is_a_gauge_by_its_dependency_the_worst_of_all_workers() -> None:
    text = text_of(*(metrics(states=lambda at=at: {"circuit_state": {("wind",): at}}) for at in (0.0, 2.0)))
    assert 'talaria_circuit_state{dependency="wind"} 2.0' in text


def test_each_process_tells_of_itself() -> None:
    text = text_of(metrics(worker=0), metrics(worker=1))
    for name in ("resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds", "cpu_seconds_total"):
        assert [line for line in text.splitlines() if line.startswith(f'process_{name}{{worker="1"}} ')], name
    assert "# TYPE process_cpu_seconds_total counter" in text
    assert "talaria_process" not in text


def test_an_avoided_5xx_is_counted() -> None:
    counted = metrics()
    context = RequestContext(tag="wind", exchange="miss", attempts=[attempt("503"), attempt("ok")])
    count(counted, ended(context=context))
    assert 'talaria_5xx_avoided_total{by="retry",tag="wind"} 1.0' in text_of(counted)


@pytest.mark.parametrize(
    ("context", "status", "by"),
    [
        (RequestContext(exchange="hit"), 200, None),
        (RequestContext(exchange="stale"), 200, "stale"),
        (RequestContext(exchange="stale"), 503, None),
        (RequestContext(exchange="miss", identity_refreshed=True), 200, "healed"),
        (RequestContext(exchange="miss", attempts=[attempt("timeout"), attempt("ok")]), 200, "retry"),
        (RequestContext(exchange="miss", attempts=[attempt("429"), attempt("ok")]), 200, "retry"),
        (RequestContext(exchange="miss", attempts=[attempt("500"), attempt("ok")]), 200, "retry"),
        (RequestContext(exchange="miss", attempts=[attempt("ok"), attempt("ok", "wind")]), 200, None),
        (
            RequestContext(attempts=[attempt("ok", "u", "b"), attempt("reset", "v", "a"), attempt("ok", "v", "a")]),
            200,
            "retry",
        ),
        (RequestContext(exchange="miss", attempts=[attempt("404"), attempt("ok")]), 404, None),
        (RequestContext(exchange="coalesced", attempts=[attempt("503"), attempt("ok")]), 200, "coalesced"),
        (
            RequestContext(exchange="hit", attempts=[attempt("refused", "u", "a"), attempt("ok", "u", "b")]),
            200,
            "other-url",
        ),
        (RequestContext(exchange="hit", attempts=[attempt("reset", "u", "a"), attempt("ok", "u", "a")]), 200, "retry"),
        (RequestContext(exchange="miss", attempts=[attempt("503"), attempt("503")]), 499, None),
    ],
)
def test_what_avoided_a_5xx(context: RequestContext, status: int, by: str | None) -> None:
    event = ended(status, context=context)
    assert avoided_by(event) == by
    counted = metrics()
    count(counted, event)
    assert dict(counted.tallies().counters["5xx_avoided"]) == ({("other", by): 1} if by else {})


class TestMetrics(RecorderContract):
    def recorder(self) -> EventBus:
        return EventBus({kind: [handler] for kind, handler in metrics().handlers.items()})


def test_the_configuration_in_force_is_said() -> None:
    counted = metrics()
    counted.configured("aaaa", 1000.5)
    counted.reload_failed()
    text = text_of(counted)
    assert "talaria_config_last_reload_success 0.0" in text
    assert "talaria_config_last_reload_success_timestamp_seconds 1000.5" in text
    counted.configured("bbbb", 2000.0)
    text = text_of(counted)
    assert "talaria_config_last_reload_success 1.0" in text
    assert "aaaa" not in text
    assert 'talaria_config_hash{hash="bbbb"} 1.0' in text


@pytest.mark.parametrize("tag", ["wind", "gone"])
@pytest.mark.parametrize("edge", [False, True])
def test_a_usual_end_in_bulk_counts_what_its_events_count(edge: bool, tag: str) -> None:
    labels = FlowLabels(tag, "wind", "services", "app", "")
    seconds, address = (0.0, "") if edge else (0.25, "http://a")
    event = RequestForwarded(labels, "r-1", "", "GET", 200, 0, 0, 0.5, seconds, 1.0, address, edge=edge)
    in_bulk, one_by_one = metrics(), metrics()
    in_bulk.handlers[RequestForwarded]([event, event])
    for _ in range(2):
        finished = event.as_finished()
        count(one_by_one, finished)
        count(one_by_one, ExchangeFinished("wind", "hit"))
        for one in finished.context.attempts:
            count(one_by_one, one)
    assert counted_by(in_bulk) == counted_by(one_by_one)


def counted_by(counted: Metrics) -> list[str]:
    """What is shown of requests, exchanges and calls."""
    shown = ("talaria_requests", "talaria_exchange", "talaria_dependency", "talaria_request_duration")
    return [line for line in text_of(counted).splitlines() if line.startswith(shown)]

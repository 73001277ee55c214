"""What is counted under which labels, and that nothing unbounded or personal becomes one."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from talaria.adapters.telemetry.metrics import Metrics, avoided_by
from talaria.domain.events import Attempt, Event, ExchangeFinished, RequestContext, RequestFinished


def metrics(entries: int = 0, in_flight: int = 0) -> Metrics:
    return Metrics(tags=["wind"], identities=lambda: entries, in_flight=lambda: in_flight, version="1.2.3")


def count(counted: Metrics, event: Event) -> None:
    counted.takers[type(event)](event)


def ended(
    status: int = 200,
    *,
    tag: str = "wind",
    method: str = "GET",
    reason: str = "",
    origin: str = "",
    seconds: float = 0.004,
    context: RequestContext | None = None,
) -> RequestFinished:
    context = context or RequestContext(tag=tag)
    return RequestFinished(context, method, status, reason, origin, 0, 0, seconds)  # type: ignore[arg-type]


def attempt(outcome: str, dependency: str = "personal", address: str = "") -> Attempt:
    return Attempt(dependency, 0.0, 0.1, outcome, address)


def test_a_request_is_counted_and_timed() -> None:
    counted = metrics()
    count(counted, ended())
    count(counted, ended(seconds=0.4))
    text = counted.render().decode()
    assert 'talaria_requests_total{method="GET",origin="",reason="",status="200",tag="wind"} 2.0' in text
    assert 'talaria_request_duration_seconds_bucket{le="0.005",tag="wind"} 1.0' in text
    assert 'talaria_request_duration_seconds_bucket{le="0.5",tag="wind"} 2.0' in text
    assert 'talaria_request_duration_seconds_count{tag="wind"} 2.0' in text
    assert 'talaria_request_duration_seconds_sum{tag="wind"} 0.404' in text


def test_rendering_twice_counts_nothing_twice() -> None:
    counted = metrics()
    count(counted, ended())
    assert counted.render() == counted.render()
    count(counted, ended())
    assert 'status="200",tag="wind"} 2.0' in counted.render().decode()


def test_a_duration_over_the_last_bucket_is_counted() -> None:
    counted = metrics()
    count(counted, ended(seconds=60.0))
    text = counted.render().decode()
    assert 'talaria_request_duration_seconds_bucket{le="10.0",tag="wind"} 0.0' in text
    assert 'talaria_request_duration_seconds_bucket{le="+Inf",tag="wind"} 1.0' in text


def test_unknown_tags_and_methods_fold() -> None:
    counted = metrics()
    for number in range(50):
        count(counted, ended(404, tag=f"x{number}", method=f"M{number}", reason="unknown-api-tag", origin="client"))
    text = counted.render().decode()
    assert 'method="other",origin="client",reason="unknown-api-tag",status="404",tag="other"} 50.0' in text
    assert "x7" not in text
    assert "M7" not in text


def test_new_tags_can_be_learnt() -> None:
    counted = metrics()
    counted.know_tags(["wind", "train"])
    count(counted, ended(tag="train"))
    assert 'tag="train"' in counted.render().decode()


def test_a_5xx_is_counted_with_whose_it_was() -> None:
    counted = metrics()
    count(counted, ended(502, reason="partner-unreachable", origin="partner"))
    count(counted, ended(499, reason="client-gone", origin="client"))
    text = counted.render().decode()
    assert 'talaria_5xx_total{origin="partner",reason="partner-unreachable",tag="wind"} 1.0' in text
    assert text.count("talaria_5xx_total{") == 1


def test_exchanges_and_calls_are_counted() -> None:
    counted = metrics()
    count(counted, ExchangeFinished("wind", "miss"))
    count(counted, Attempt("personal", 0.0, 0.02, "503"))
    text = counted.render().decode()
    assert 'talaria_exchange_total{partner="wind",result="miss"} 1.0' in text
    assert 'talaria_dependency_requests_total{dependency="personal",outcome="503"} 1.0' in text
    assert 'talaria_dependency_request_duration_seconds_count{dependency="personal"} 1.0' in text


def test_outcomes_are_bounded() -> None:
    counted = metrics()
    for number in range(200):
        count(counted, Attempt("personal", 0.0, 0.0, f"o{number}"))
    text = counted.render().decode()
    assert text.count("talaria_dependency_requests_total{") == 65
    assert 'talaria_dependency_requests_total{dependency="personal",outcome="other"} 136.0' in text


def test_gauges_and_build() -> None:
    text = metrics(7, 3).render().decode()
    assert "talaria_identity_cache_entries 7.0" in text
    assert "talaria_requests_in_flight 3.0" in text
    assert 'version="1.2.3"} 1.0' in text
    assert "_created" not in text


def test_an_avoided_5xx_is_counted() -> None:
    counted = metrics()
    context = RequestContext(tag="wind", exchange="miss", attempts=[attempt("503"), attempt("ok")])
    count(counted, ended(context=context))
    assert 'talaria_5xx_avoided_total{by="retry",tag="wind"} 1.0' in counted.render().decode()


@pytest.mark.parametrize(
    ("context", "status", "by"),
    [
        (RequestContext(exchange="hit"), 200, None),
        (RequestContext(exchange="stale"), 200, "stale"),
        (RequestContext(exchange="stale"), 503, None),
        (RequestContext(exchange="miss", identity_refreshed=True), 200, "healed"),
        (RequestContext(exchange="miss", attempts=[attempt("timeout"), attempt("ok")]), 200, "retry"),
        (RequestContext(exchange="miss", attempts=[attempt("429"), attempt("ok")]), 200, "retry"),
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
    assert avoided_by(ended(status, context=context)) == by


async def test_flushing_goes_on_until_cancelled_and_once_more() -> None:
    counted = metrics()
    task = asyncio.create_task(counted.keep_flushing(3600))
    await asyncio.sleep(0)
    count(counted, ended())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    labels = {"tag": "wind", "method": "GET", "status": "200", "reason": "", "origin": ""}
    assert counted.registry.get_sample_value("talaria_requests_total", labels) == 1.0


WORKER = """
import sys
from talaria.adapters.telemetry.metrics import Metrics, count_as
from talaria.domain.events import RequestContext, RequestFinished
count_as(int(sys.argv[1]))
metrics = Metrics(tags=["wind"], identities=lambda: 5, in_flight=lambda: 1, version="1")
for _ in range(3):
    metrics.takers[RequestFinished](RequestFinished(RequestContext(tag="wind"), "GET", 200, "", "", 0, 0, 0.004))
metrics.flush()
"""
OPERATOR = """
import sys
from talaria.adapters.telemetry.metrics import forget_worker, render_sum
for number in sys.argv[2:]:
    forget_worker(int(number), sys.argv[1])
print(render_sum(sys.argv[1]).decode())
"""


def run(program: str, directory: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(directory)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    return done.stdout


def test_workers_are_summed_and_the_counts_of_an_ended_one_stay(tmp_path: Path) -> None:
    run(WORKER, tmp_path, "0")
    run(WORKER, tmp_path, "1")
    both = run(OPERATOR, tmp_path, str(tmp_path))
    assert 'status="200",tag="wind"} 6.0' in both
    assert 'talaria_request_duration_seconds_bucket{le="0.005",tag="wind"} 6.0' in both
    assert 'talaria_request_duration_seconds_count{tag="wind"} 6.0' in both
    assert "talaria_identity_cache_entries 10.0" in both
    one = run(OPERATOR, tmp_path, str(tmp_path), "0")
    assert 'status="200",tag="wind"} 6.0' in one
    assert "talaria_identity_cache_entries 5.0" in one
    assert "talaria_identity_cache_entries" not in run(OPERATOR, tmp_path, str(tmp_path), "1")


def test_who_takes_the_place_of_another_counts_on_in_its_files(tmp_path: Path) -> None:
    run(WORKER, tmp_path, "0")
    files = sorted(tmp_path.iterdir())
    for times in (2, 3):
        run(OPERATOR, tmp_path, str(tmp_path), "0")
        run(WORKER, tmp_path, "0")
        assert sorted(tmp_path.iterdir()) == files
        text = run(OPERATOR, tmp_path, str(tmp_path))
        assert f'status="200",tag="wind"}} {3.0 * times}' in text
        assert f'talaria_request_duration_seconds_count{{tag="wind"}} {3.0 * times}' in text
        assert "talaria_identity_cache_entries 5.0" in text


def test_the_configuration_in_force_is_said() -> None:
    counted = metrics()
    counted.configured("aaaa", 1000.5)
    counted.reload_refused()
    text = counted.render().decode()
    assert "talaria_config_last_reload_success 0.0" in text
    assert "talaria_config_last_reload_success_timestamp_seconds 1000.5" in text
    counted.configured("bbbb", 2000.0)
    text = counted.render().decode()
    assert "talaria_config_last_reload_success 1.0" in text
    assert 'talaria_config_hash{hash="aaaa"} 0.0' in text
    assert 'talaria_config_hash{hash="bbbb"} 1.0' in text

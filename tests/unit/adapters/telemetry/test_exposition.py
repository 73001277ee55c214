"""The forms of what Prometheus reads."""

import msgspec
import pytest

from talaria.adapters.telemetry.exposition import render
from talaria.adapters.telemetry.tallies import Tallies, summed
from talaria.domain.events import Attempt, FlowLabels, RequestContext, RequestForwarded, Trace
from tests.unit.adapters.telemetry.support_metrics import count, ended, metrics

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def traced(seconds: float, trace: str = TRACE) -> Tallies:
    """Of one request, as another process gets it."""
    counted = metrics(wall=lambda: 1000.5)
    count(counted, ended(seconds=seconds, context=RequestContext(tag="wind", trace_id=trace)))
    return msgspec.msgpack.decode(msgspec.msgpack.encode(counted.tallies()), type=Tallies)


@pytest.mark.parametrize(("seconds", "bound"), [(0.004, "0.005"), (60.0, "+Inf")])
def test_a_bucket_names_the_trace_of_a_request_in_it(seconds: float, bound: str) -> None:
    text = render(summed([traced(seconds)]), OPENMETRICS)[0].decode()
    sample = f'talaria_request_duration_seconds_bucket{{le="{bound}",tag="wind"}} 1.0'
    assert f'{sample} # {{trace_id="{TRACE}"}} {seconds} 1000.5\n' in text
    assert text.count(" # {") == 1


def test_a_call_to_a_partner_of_the_route_s_name_has_no_exemplar() -> None:
    called = metrics()
    count(called, Attempt("wind", 0.0, 0.004, "ok"))
    assert render(summed([traced(0.004), called.tallies()]), OPENMETRICS)[0].decode().count(" # {") == 1


@pytest.mark.parametrize("version", ["1.0.0\u00ff", "==", "=\u00b2"])
def test_a_form_that_is_none_is_the_plain_one(version: str) -> None:
    malformed = OPENMETRICS.replace("1.0.0", version)
    assert render(traced(0.004), malformed)[1] == render(traced(0.004), "")[1]


def test_the_plain_form_has_no_exemplar() -> None:
    assert TRACE not in render(traced(0.004), "text/plain")[0].decode()


@pytest.mark.parametrize(("flags", "status", "shown"), [("01", 200, 1), ("00", 200, 0), ("00", 503, 1)])
def test_a_trace_of_ours_is_named_where_its_spans_are_exported(flags: str, status: int, shown: int) -> None:
    counted = metrics()
    trace = Trace(TRACE, f"00-{TRACE}-b7ad6b7169203331-{flags}".encode())
    count(counted, ended(status, context=RequestContext(tag="wind", trace_id=TRACE, trace=trace)))
    assert render(counted.tallies(), OPENMETRICS)[0].decode().count(" # {") == shown


def test_a_request_without_a_trace_is_no_exemplar() -> None:
    assert " # {" not in render(traced(0.004, trace=""), OPENMETRICS)[0].decode()


@pytest.mark.parametrize(("trace", "shown"), [(Trace(TRACE, b"00-01"), 1), (None, 0)])
def test_on_the_fast_path_too(trace: Trace | None, shown: int) -> None:
    counted, labels = metrics(), FlowLabels("wind", "wind", "services", "app", "")
    forwarded = RequestForwarded(labels, "r-1", TRACE, "GET", 200, 0, 2, 0.004, 0.003, 1000.5, "", trace)
    counted.handlers[RequestForwarded]([forwarded])
    assert render(counted.tallies(), OPENMETRICS)[0].decode().count(" # {") == shown

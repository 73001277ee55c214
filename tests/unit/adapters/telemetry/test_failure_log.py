"""What the ledger keeps, and for how long."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from talaria.adapters.telemetry.failure_log import PASSED_ON, Entry, Ledger, Try, merge
from talaria.domain.events import Attempt, ExchangeFinished, RequestContext, RequestFinished
from tests.unit.entrypoints.ops.support_ops import entry


def ledger(**options: Any) -> Ledger:
    return Ledger(**({"clock": lambda: 0.5} | options))


def ended(request_id: str = "r-1", status: int = 502, context: RequestContext | None = None) -> RequestFinished:
    context = context or RequestContext(request_id, "t-1", "wind", "app", "exchange")
    return RequestFinished(context, "GET", status, "partner-unreachable", "partner", 0, 90, 0.75, "refused")


def test_an_entry_tells_how_the_request_went() -> None:
    attempts = [Attempt("wind", 99.3, 0.25, "503"), Attempt("wind", 99.7, 0.1, "refused", "10.0.0.7:443")]
    context = RequestContext("r-1", "t-1", "wind", "app", "exchange", "failed", False, 0.0, attempts)
    context.person, context.started = "0123456789ab", 99.25
    kept = ledger(states=lambda: {"wind": "open"})
    kept.record(ended(context=context))
    assert kept.find("r-1") == replace(
        entry(),
        time="1970-01-01T00:00:00.500Z",
        attempts=[Try("wind", 50.0, 250.0, "503"), Try("wind", 450.0, 100.0, "refused", "10.0.0.7:443")],
        person="0123456789ab",
    )


def test_the_upstreams_own_answer_ended_nowhere_but_at_its_end() -> None:
    kept = ledger()
    kept.record(
        RequestFinished(
            RequestContext("r-1", "t-1", "wind", "app", "body"), "GET", 500, "", "upstream", 0, 90, 0.75, ""
        )
    )
    assert (kept.last(1)[0].phase, kept.last(1)[0].reason) == (PASSED_ON, "")


@pytest.mark.parametrize("status", [200, 404, 499])
def test_what_is_no_5xx_is_not_kept(status: int) -> None:
    kept = ledger()
    kept.record(ended(status=status))
    kept.record(ExchangeFinished("wind", "failed"))
    assert kept.last(10) == []


def test_the_states_are_those_of_the_moment() -> None:
    states = {"wind": "open"}
    kept = ledger(states=lambda: states)
    kept.record(ended())
    states["wind"] = "closed"
    (entry,) = kept.last(1)
    assert entry.breakers == {"wind": "open"}


def test_the_oldest_goes_first() -> None:
    kept = ledger(kept=3)
    for number in range(5):
        kept.record(ended(f"r-{number}"))
    assert [entry.request_id for entry in kept.last(10)] == ["r-4", "r-3", "r-2"]
    assert [entry.request_id for entry in kept.last(2)] == ["r-4", "r-3"]
    assert kept.find("r-1") is None


def test_of_several_of_one_id_the_newest_is_found() -> None:
    kept = ledger()
    kept.record(ended(status=502))
    kept.record(ended(status=504))
    entry = kept.find("r-1")
    assert entry is not None
    assert entry.status == 504


def test_ledgers_are_merged_by_time() -> None:
    moments = iter([1.0, 3.0, 2.0])
    first, second = ledger(clock=lambda: next(moments)), ledger(clock=lambda: next(moments))
    first.record(ended("r-1"))
    first.record(ended("r-3"))
    second.record(ended("r-2"))
    merged = merge([first.last(10), second.last(10)], 2)
    assert [entry.request_id for entry in merged] == ["r-3", "r-2"]


def test_an_entry_survives_its_way_as_json() -> None:
    kept = ledger()
    kept.record(ended())
    (entry,) = kept.last(1)
    assert msgspec.json.decode(msgspec.json.encode(entry), type=Entry) == entry

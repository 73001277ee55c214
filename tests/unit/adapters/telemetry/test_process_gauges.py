"""What the system says of this process."""

from talaria.adapters.telemetry.process_gauges import ProcessGauges


def test_it_tells_of_this_process() -> None:
    values = ProcessGauges().values()
    assert values["process_open_fds"] >= 3
    assert values["process_open_fds"] <= values["process_max_fds"]
    assert values["process_resident_memory_bytes"] > 1_000_000
    assert "process_cpu_seconds" in values


def test_it_does_not_look_again_at_once() -> None:
    now = [100.0]
    gauges = ProcessGauges(lambda: now[0])
    first = gauges.values()
    assert gauges.values() is first
    now[0] += 60.0
    assert gauges.values() is not first

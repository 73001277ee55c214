"""What the system says of this process."""

import resource

import pytest

from talaria.adapters.telemetry.process_gauges import ProcessGauges, out_of_descriptors


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


def test_where_no_descriptor_is_left_it_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    gauges = ProcessGauges(lambda: now[0])
    first = gauges.values()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        now[0] += 60.0
        gauges.values()
        now[0] += 60.0
        told = gauges.values()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert told == {**first, "process_open_fds": first["process_max_fds"]}
    assert out_of_descriptors(told)
    assert not out_of_descriptors(first)
    assert [record.message for record in caplog.records] == ["no descriptor is left: connections are reset"]
    now[0] += 60.0
    assert not out_of_descriptors(gauges.values())


def test_a_system_that_does_not_tell_is_not_out_of_descriptors() -> None:
    assert not out_of_descriptors({})

"""The tallies of several processes: sent, summed, and what stays of one that has ended."""

import msgspec

from talaria.adapters.telemetry.exposition import render
from talaria.adapters.telemetry.metrics import Metrics
from talaria.adapters.telemetry.tallies import Exemplar, Tallies, summed
from tests.unit.adapters.telemetry.support_metrics import count, ended, metrics, text_of


def test_one_process_reads_as_the_sum_of_one() -> None:
    counted = metrics(7, 3)
    count(counted, ended())
    assert render(counted.tallies(), "")[0].decode() == text_of(counted)


def sent(counted: Metrics) -> Tallies:
    """Its tallies, as another process gets them."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(counted.tallies()), type=Tallies)


def test_workers_are_summed_and_the_counts_of_an_ended_one_stay() -> None:
    workers = [metrics(5, 1), metrics(5, 1)]
    for worker in workers:
        for _ in range(3):
            count(worker, ended())
    both = [sent(worker) for worker in workers]
    text = render(summed(both), "")[0].decode()
    assert 'status="200",tag="wind"} 6.0' in text
    assert 'talaria_request_duration_seconds_bucket{le="0.005",tag="wind"} 6.0' in text
    assert 'talaria_request_duration_seconds_count{tag="wind"} 6.0' in text
    assert 'talaria_request_duration_seconds_sum{tag="wind"} 0.024' in text
    assert "talaria_identity_cache_entries 10.0" in text
    text = render(summed([Tallies(both[0].counters, both[0].durations), both[1]]), "")[0].decode()
    assert 'status="200",tag="wind"} 6.0' in text
    assert "talaria_identity_cache_entries 5.0" in text
    assert 'version="1.2.3"} 1.0' in text


def test_a_sum_leaves_what_it_sums_alone() -> None:
    counted = metrics()
    count(counted, ended())
    first = counted.tallies()
    summed([first, first])
    assert 'talaria_request_duration_seconds_count{tag="wind"} 1.0' in text_of(counted)


def test_of_several_configurations_the_oldest_and_every_hash_is_said() -> None:
    one, other = metrics(), metrics()
    one.configured("aaaa", 1000.0)
    other.configured("bbbb", 2000.0)
    text = text_of(one, other)
    assert "talaria_config_last_reload_success_timestamp_seconds 1000.0" in text
    assert text.count('talaria_config_hash{hash="') == 2
    other.reload_failed()
    assert "talaria_config_last_reload_success 0.0" in text_of(one, other)


def test_no_process_has_nothing_to_say_but_what_there_is() -> None:
    text = render(summed([]), "")[0].decode()
    assert "# TYPE talaria_requests_total counter" in text
    assert not [line for line in text.splitlines() if not line.startswith("#")]


def test_the_newest_exemplar_of_each_bucket_is_kept() -> None:
    def seen(at: float) -> Tallies:
        return Tallies(exemplars={("wind", 3): Exemplar(f"trace-{at}", 0.01, at)})

    for processes in ([seen(1.0), seen(2.0)], [seen(2.0), seen(1.0)]):
        assert summed(processes).exemplars == {("wind", 3): Exemplar("trace-2.0", 0.01, 2.0)}

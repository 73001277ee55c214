"""How fast, rather than how dear: the time a request gains on its way, and exchanges of persons not yet cached."""

from pathlib import Path
from statistics import median
from time import monotonic

from bench import load
from bench.compare import Progress
from bench.curves import Rows
from bench.gateway import Shape, running, start_gateway
from bench.load import LoadFailed
from bench.pace import OpenLoop, at
from bench.peers import one
from bench.table import Table
from bench.testbed import Testbed


def latency(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """p50 and p99 at half of the gateway's own most, beside the same requests straight to the origin and by nginx."""
    seconds, rounds = (2, 1) if testbed.quick else (5, 5)
    table = Table("Time of a request at half load (open loop)", ["way", "requests/s", "p50 ms", "p99 ms"])
    with running(testbed) as gateway, one(testbed, "nginx") as nginx:
        ways = {"direct": testbed.origin, "nginx": nginx.url, "gateway": gateway.peer.url}
        most = median(
            load.run(gateway.peer.url + "/", 2, 32, {"tokens": gateway.peer.tokens or ""}).rate for _ in range(3)
        )
        requests = _requests(gateway.peer.tokens)
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for number in range(rounds):
            for way, url in ways.items():
                progress(f"round {number + 1} of {rounds}: {way}")
                times = OpenLoop(url, requests, most / 2).run(seconds)
                found[way].append((at(times, 0.5), at(times, 0.99)))
    for way, pairs in found.items():
        table.add(way, most / 2, *(median(values) for values in zip(*pairs, strict=True)))
    added = {way: _added(found["direct"], found[way]) for way in ("nginx", "gateway")}
    for way, more in added.items():
        table.add(f"added by {way}", None, *more)
    p50, p99 = added["gateway"]
    return table, [{"added p50 ms": p50, "added p99 ms": p99, "rounds": found}]


def _added(direct: list[tuple[float, float]], through: list[tuple[float, float]]) -> list[float]:
    pairs = list(zip(direct, through, strict=True))
    return [median(more[n] - less[n] for less, more in pairs) for n in (0, 1)]


def cold(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """Every request of a person never seen: token verified, personal and the partner asked, passed on."""
    seconds, count = (3, 8_000) if testbed.quick else (8, 24_000)
    columns = ["round", "exchanges/s", "us CPU", "p50 ms", "p99 ms", "refused"]
    table = Table("Cold exchanges (each request another person, 32 connections)", columns)
    progress(f"signing {count} tokens")
    tokens = testbed.callers.tokens(0, count)
    rows: Rows = []
    for number in range(testbed.rounds()):
        gateway = start_gateway(testbed, Shape(), "cold")
        progress(f"round {number + 1}")
        before = gateway.program.cpu()
        run = load.run(gateway.peer.url + "/", seconds, 32, {"tokens": tokens, "once": 1}, allow_broken=True)
        cpu = (gateway.program.cpu() - before) * 1e6 / run.requests
        gateway.program.stop()
        if run.requests >= count - 64:
            raise LoadFailed(f"all {count} tokens were used up before the time was")
        table.add(number + 1, run.rate, cpu, run.p50, run.p99, run.refused + run.broken)
        rows.append({"rate": run.rate, "cpu": cpu, "refused": run.refused, "broken": run.broken})
    table.notes.append("The simulators of personal and the partner run on the same cores and share the rate.")
    return table, rows


def filling(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """The cache filled by real exchanges, as far as the time goes: what the gateway grows by for each person."""
    count, seconds = (5_000, 5) if testbed.quick else (100_000, 120)
    columns = ["persons", "seconds", "MiB grown", "bytes a person", "MiB after all again"]
    table = Table("The cache filled by real exchanges", columns)
    progress(f"signing {count} tokens")
    tokens = testbed.callers.tokens(0, count)
    gateway = start_gateway(testbed, Shape(max_entries=count), "filling")
    try:
        gateway.warm(testbed.callers.tokens(count, 2000))
        before, entries = gateway.program.resident(), gateway.entries()
        progress(f"{seconds} seconds of exchanges")
        began = monotonic()
        load.run(gateway.peer.url + "/", seconds, 32, {"tokens": tokens, "once": 1}, allow_broken=True)
        taken = monotonic() - began
        grown, persons = gateway.program.resident() - before, gateway.entries() - entries
        progress("all of them again")
        load.run(gateway.peer.url + "/", min(seconds, 30), 32, {"tokens": tokens}, allow_broken=True)
        again = (gateway.program.resident() - before) / 2**20
    finally:
        gateway.program.stop()
    table.add(f"{persons:,.0f}", taken, grown / 2**20, grown / max(persons, 1), again)
    table.notes.append(
        "Grown by the identities and by everything else that a person leaves: verified tokens, service tokens"
        " (both bounded), metrics. wrk runs for its whole time, also when every person was seen."
    )
    return table, [{"persons": persons, "bytes": grown}]


def _requests(tokens: Path | None) -> list[bytes]:
    assert tokens is not None
    head = (
        "GET / HTTP/1.1\r\nhost: bench\r\naccept: */*\r\nuser-agent: bench\r\nx-api-tag: wind\r\nauthorization: Bearer "
    )
    return [f"{head}{token}\r\n\r\n".encode() for token in tokens.read_text().split()]

"""Bodies of many sizes: what they cost beside nginx."""

from collections.abc import Callable
from contextlib import ExitStack
from statistics import median

from bench import compare
from bench.compare import Progress
from bench.curves import Point, Rows, turns
from bench.gateway import running
from bench.load import Option
from bench.peers import Peer, one
from bench.table import Table
from bench.testbed import SIZES, Testbed


def sizes(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """Answers of 0 to 10 MB, beside nginx."""
    return _beside(testbed, progress, "Size of the answer", [0, *SIZES], lambda size: (f"/size/{size}", {}))


def uploads(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """Request bodies of 1 kB to 1 MB, beside nginx."""
    points = [size for size in SIZES if size <= 1_000_000]
    return _beside(
        testbed, progress, "Size of the request's body", points, lambda n: ("/upload", {"body": n, "tag": "sink"})
    )


Asking = Callable[[int], tuple[str, dict[str, Option]]]


def _beside(testbed: Testbed, progress: Progress, title: str, points: list[int], asking: Asking) -> tuple[Table, Rows]:
    columns = ["bytes", "requests/s", "MB/s", "us CPU", "nginx requests/s", "nginx MB/s", "nginx us CPU", "times nginx"]
    table = Table(f"{title} (8 connections, the gateway beside nginx)", columns)
    rows: Rows = []
    with ExitStack() as stack:
        gateway, nginx = stack.enter_context(running(testbed)).peer, stack.enter_context(one(testbed, "nginx"))
        for size in points:
            path, options = asking(size)
            both = [
                Point(f"{size} bytes, {peer.name}", _taker(peer, testbed, path, options)) for peer in (gateway, nginx)
            ]
            mine, its = turns(both, testbed.rounds(), progress)
            cells: list[float] = []
            for taken in (mine, its):
                rate = median(sample.rate for sample in taken)
                cells += [rate, rate * size / 1e6, median(sample.cpu for sample in taken)]
            ratios = [a.cpu / b.cpu for a, b in zip(mine, its, strict=True)]
            table.add(f"{size:,}", *cells, median(ratios))
            rows.append({"bytes": size, "cells": cells, "ratios": ratios})
    return table, rows


def _taker(peer: Peer, testbed: Testbed, path: str, options: dict[str, Option]) -> Callable[[], compare.Sample]:
    return lambda: compare.measure(peer, testbed.seconds(), 8, path, **options)

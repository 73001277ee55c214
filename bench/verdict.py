"""The numbers that the gateway must keep, beside those that were measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.curves import NEW_LINES, POSTED
from bench.table import Table

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Must:
    """A bound, and how its value is found among the results.

    `found` raises LookupError or StopIteration where it is not there.
    """

    measure: str
    bound: float
    found: Callable[[Record], float]


def _beside(other: str) -> Callable[[Record], float]:
    def found(record: Record) -> float:
        mine, its = _rounds(record, "talaria"), _rounds(record, other)
        return median(a["cpu"] / b["cpu"] for a, b in zip(mine, its, strict=False))

    return found


def _edge(mine: str, other: str) -> Callable[[Record], float]:
    def found(record: Record) -> float:
        rows = record["edges-rounds"]
        pairs = zip(_of(rows, "proxy", mine)["rounds"], _of(rows, "proxy", other)["rounds"], strict=False)
        return float(median(a["cpu"] / b["cpu"] for a, b in pairs))

    return found


def _rounds(record: Record, proxy: str) -> list[dict[str, float]]:
    rounds: list[dict[str, float]] = _of(record["peers-rounds"], "proxy", proxy)["rounds"]
    return rounds


def _grown(part: str, point: str) -> Callable[[Record], float]:
    return lambda record: median(_of(record[f"{part}-rounds"], "point", point)["ratios"])


def _at(part: str, point: str) -> Callable[[Record], float]:
    """What a request costs at this point of a curve, beside nginx's at the same."""

    def found(record: Record) -> float:
        rows = record[f"{part}-rounds"]
        pairs = zip(_of(rows, "point", point)["cpu"], _of(rows, "point", f"nginx, {point}")["cpu"], strict=False)
        return float(median(mine / its for mine, its in pairs))

    return found


def _counted(path: str) -> Callable[[Record], float]:
    return lambda record: float(_of(record["instructions-rounds"], "path", path)["instructions"])


def _of(rows: list[Record], name: str, value: str) -> Record:
    return next(row for row in rows if row[name] == value)


def _large(what: str, name: str) -> Callable[[Record], float]:
    def found(record: Record) -> float:
        row = _of(record["large-rounds"], "what", what)
        return float(median(row[name]) if name == "ratios" else row[name])

    return found


MUSTS = [
    Must("instructions of a warm GET", 170_000, _counted("fast")),
    Must("the same by the slow path", 400_000, _counted("slow")),
    Must("CPU for a warm request / nginx", 2.9, _beside("nginx")),
    Must("the same / Envoy", 0.7, _beside("envoy")),
    Must("the same / asgi-proxy-lib", 0.1, _beside("asgi-proxy-lib")),
    Must("the same / fastapi-proxy-lib", 0.1, _beside("fastapi-proxy-lib")),
    Must("nginx that keeps decisions / nginx", 1.7, _edge("nginx edge, fast", "nginx")),
    Must("the same / Envoy", 0.65, _edge("nginx edge, fast", "envoy")),
    Must("the decision alone / nginx", 3.0, _edge("decision alone", "nginx")),
    Must("p50 added at half load, ms", 0.5, lambda record: float(record["latency-rounds"][0]["added p50 ms"])),
    Must("CPU at 10^6 persons / 10^2", 1.2, _grown("persons", "1,000,000")),
    Must("CPU at 1,000 routes / 1", 1.2, _grown("routes", "1000")),
    Must("CPU at 2,000 connections / nginx", 1.8, _at("connections", "2000")),
    Must("CPU at 20 more header lines / nginx", 3.0, _at("headers", "25")),
    Must("CPU for a POST of 1,000 bytes / nginx", 3.0, _at("headers", POSTED)),
    Must("CPU at three lines never seen before / nginx", 3.0, _at("headers", NEW_LINES)),
    Must("bytes for a cached identity", 1024, lambda record: float(record["persons-rounds"][-1]["bytes an entry"])),
    Must("1 GiB down: MiB grown", 32, _large("download", "MiB grown")),
    Must("1 GiB up: MiB grown", 32, _large("upload", "MiB grown")),
    Must("1 GiB down: CPU / nginx", 4.0, _large("download", "ratios")),
    Must("1 GiB up: CPU / nginx", 4.0, _large("upload", "ratios")),
    Must("slow readers: MiB grown", 64, lambda record: float(record["slow-readers-rounds"][0]["MiB grown"])),
]


def verdict(record: Record) -> Table:
    """What was measured against what must be; what was not measured is left out."""
    table = Table("The bounds", ["measure", "must be under", "is", "held"])
    for must, value in _found(record):
        table.add(must.measure, must.bound, value, "kept" if value <= must.bound else "NOT kept")
    return table


def _found(record: Record) -> Iterator[tuple[Must, float]]:
    for must in MUSTS:
        try:
            yield must, must.found(record)
        except (LookupError, StopIteration):
            continue

"""How hash rings share persons over replicas, for capacity planning: `python -m bench.rings [--persons N]`.

The rings are those of the balancers that `talaria render` configures, written anew: HAProxy's `hash-type consistent`,
nginx's `hash ... consistent` (ketama) and Envoy's Maglev. BLAKE2 stands for an engine's own hash: what is asked here
depends on the number of points, not on the hash.
"""

import argparse
import bisect
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence

from bench.table import Table

Pick = Callable[[int], int]
"""The replica for a hashed person."""

HAPROXY_WEIGHT, HAPROXY_POINTS = 64, 16
NGINX_POINTS = 160
MAGLEV_TABLE, MAGLEV_LARGE = 65_537, 1_000_003


def hashed(text: str) -> int:
    """A person or a point as a number of 64 bits."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def ring(names: Sequence[str], points: int) -> Pick:
    """A ring with so many points for each replica: a person goes to the next point."""
    placed = sorted((hashed(f"{name}#{point}"), number) for number, name in enumerate(names) for point in range(points))
    places, owners = [place for place, _ in placed], [number for _, number in placed]
    return lambda person: owners[bisect.bisect(places, person) % len(owners)]


def maglev(names: Sequence[str], size: int = MAGLEV_TABLE) -> Pick:
    """Maglev's table (NSDI 2016): the replicas take turns, each the next free slot of its own permutation."""
    offsets = [hashed(name) % size for name in names]
    skips = [hashed(f"{name}/skip") % (size - 1) + 1 for name in names]
    following = [0] * len(names)
    table = [-1] * size
    filled = 0
    while filled < size:
        for number in range(len(names)):
            while True:
                slot = (offsets[number] + following[number] * skips[number]) % size
                following[number] += 1
                if table[slot] < 0:
                    break
            table[slot] = number
            filled += 1
            if filled == size:
                break
    return lambda person: table[person % size]


RINGS: dict[str, Callable[[Sequence[str]], Pick]] = {
    "HAProxy, weight 64": lambda names: ring(names, HAPROXY_WEIGHT * HAPROXY_POINTS),
    "HAProxy, weight 1": lambda names: ring(names, HAPROXY_POINTS),
    "nginx, ketama": lambda names: ring(names, NGINX_POINTS),
    "Envoy, Maglev": maglev,
    "Envoy, Maglev, large": lambda names: maglev(names, MAGLEV_LARGE),
}


def measured(name: str, replicas: int, persons: Sequence[int]) -> tuple[float, float, float, float]:
    """The fullest replica beside the mean; the share of persons that move when one leaves, of those the needless ones
    (whose replica stayed); and the share that moves when one is added.
    """
    names = [f"10.0.{number // 250}.{number % 250}:8080" for number in range(replicas)]
    make = RINGS[name]
    before = list(map(make(names), persons))
    fullest = max(Counter(before).values()) * replicas / len(persons)
    left = make(names[1:])
    after = [left(person) + 1 for person in persons]
    stayed = [(old, new) for old, new in zip(before, after, strict=True) if old != 0]
    moved = sum(old != new for old, new in zip(before, after, strict=True)) / len(persons)
    needless = sum(old != new for old, new in stayed) / max(1, len(stayed))
    more = make([*names, "10.9.9.9:8080"])
    joined = sum(old != more(person) for old, person in zip(before, persons, strict=True)) / len(persons)
    return fullest, moved, needless, joined


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.rings", description=__doc__)
    parser.add_argument("--persons", type=int, default=200_000)
    parser.add_argument("--replicas", type=int, nargs="+", default=[3, 10, 50, 200])
    options = parser.parse_args()
    persons = [hashed(f"https://id.app.example person-{number}") for number in range(options.persons)]
    table = Table(
        f"{options.persons:,} persons on rings",
        ["ring", "replicas", "fullest / mean", "one leaves: moved", "least", "needless", "one joins: moved", "least"],
    )
    for name in RINGS:
        for replicas in options.replicas:
            fullest, moved, needless, joined = measured(name, replicas, persons)
            shares = [f"{100 * share:.2f} %" for share in (moved, 1 / replicas, needless, joined, 1 / (replicas + 1))]
            table.add(name, replicas, fullest, *shares)
    print(table)


if __name__ == "__main__":
    main()

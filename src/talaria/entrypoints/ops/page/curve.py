"""A curve of the last quarter of an hour, as the paths of a small SVG."""

from collections.abc import Sequence
from typing import NamedTuple

from talaria.entrypoints.ops.figures import POINTS

HEIGHT = 24


class Curve(NamedTuple):
    """Two areas on one scale, as SVG paths, POINTS wide and HEIGHT high; `most`: the highest of all, a second."""

    all: str
    failed: str
    most: float


def curve(points: Sequence[tuple[float, float]]) -> Curve:
    """The newest point at the right end; where nothing is known yet, nothing is drawn."""
    most = max((point[0] for point in points), default=0.0)
    left = POINTS - len(points)
    return Curve(
        _area([count for count, _ in points], left, most), _area([failed for _, failed in points], left, most), most
    )


def _area(values: Sequence[float], left: int, most: float) -> str:
    if not any(values):
        return ""
    steps = " ".join(f"V{HEIGHT - HEIGHT * value / most:.1f}h1" for value in values)
    return f"M{left} {HEIGHT}{steps}V{HEIGHT}z"

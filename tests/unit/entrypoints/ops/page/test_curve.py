"""The paths of a small curve."""

from talaria.entrypoints.ops.figures import POINTS
from talaria.entrypoints.ops.page.curve import Curve, curve


def test_the_newest_point_stands_at_the_right_end_and_both_areas_have_one_scale() -> None:
    left = POINTS - 2
    assert curve([(10.0, 5.0), (0.0, 0.0)]) == Curve(
        f"M{left} 24V0.0h1 V24.0h1V24z", f"M{left} 24V12.0h1 V24.0h1V24z", 10.0
    )


def test_what_was_never_is_not_drawn() -> None:
    assert curve([]) == Curve("", "", 0.0)
    assert curve([(3.0, 0.0)]).failed == ""

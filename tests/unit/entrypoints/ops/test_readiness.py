"""What several workers say of a dependency, as one."""

import msgspec
import pytest

from talaria.entrypoints.ops.readiness import Dependency, worst

OK, NEVER = Dependency("wind", "ok"), Dependency("wind", "not asked yet")


def bad(state: str, second: int = 0) -> Dependency:
    return Dependency("wind", state, f"2026-11-18T12:00:0{second}Z", "refused", 1.0)


@pytest.mark.parametrize(
    ("said", "state", "affected"),
    [
        ([NEVER, NEVER], "not asked yet", 0),
        ([NEVER, OK], "ok", 0),
        ([OK, NEVER], "ok", 0),
        ([NEVER, bad("failing")], "failing", 1),
        ([OK, bad("failing"), bad("half-open")], "failing", 2),
        ([bad("open"), OK, bad("open")], "open", 2),
        ([bad("failing"), bad("open")], "open", 1),
        ([OK, bad("unavailable")], "unavailable", 1),
    ],
)
def test_the_worst_is_said_and_in_how_many_workers(said: list[Dependency], state: str, affected: int) -> None:
    found = worst(said)
    assert (found.state, found.affected_workers) == (state, affected)
    assert found.of_workers == (len(said) if affected else 0)


def test_of_equals_the_one_in_trouble_for_longest_is_said() -> None:
    assert worst([bad("open", 5), bad("open", 2), bad("open", 7)]).since == "2026-11-18T12:00:02Z"


def test_a_dependency_that_is_well_is_a_name_and_a_state() -> None:
    assert msgspec.to_builtins(worst([OK])) == {"name": "wind", "state": "ok"}
